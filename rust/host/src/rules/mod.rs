//! Dynamic debug: call sites that are stored whatever their levels say, chosen while the program runs.
//!
//! What is chosen is a text of commands, one a line, in the control section of the log: anybody who may write the file may
//! replace it, and the log's callers go by it from then on. A site is judged once for each text.

mod command;
mod pattern;

pub use command::{Command, Flags, Subject, parse};

use crate::error::Error;
use pr_printk::Core;
use pr_printk::control::{Control, LEVEL_BITS, RULED, Rules};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long somebody else may take to replace the text before it is believed to be dead.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sets the level, and leaves what else is in the word.
pub(crate) fn set_level(control: &Control, level: u8) {
    let set = |word| Some(word & !LEVEL_BITS | u64::from(level) & LEVEL_BITS);
    let word = &control.level;
    let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, set);
}

/// The commands that are in force, and the number of their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Of the text.
    pub number: u64,
    /// The commands, in the order in which they apply.
    pub text: String,
}

impl Ruling {
    /// What is in force. Waits for somebody who replaces it, a moment at most.
    pub fn read(rules: &Rules) -> Ruling {
        let end = Instant::now() + PATIENCE;
        let mut room = [0; Rules::MOST_BYTES];
        loop {
            if let Some((number, length)) = rules.read(&mut room) {
                let text = room.get(..length).unwrap_or_default();
                let text = String::from_utf8_lossy(text).into_owned();
                return Ruling { number, text };
            }
            if Instant::now() > end {
                return Ruling::default(); // who replaced it is gone: nothing is in force
            }
            std::thread::yield_now();
        }
    }

    /// The commands, read; lines that are none left out.
    pub fn commands(&self) -> Commands {
        Commands::of(&self.text)
    }
}

/// Commands, read.
#[derive(Debug, Default)]
pub struct Commands(Vec<Command>);

impl Commands {
    /// Those of a text, one a line; lines that are none left out.
    fn of(text: &str) -> Commands {
        Commands(
            text.lines()
                .filter_map(|line| Command::parse(line).ok())
                .collect(),
        )
    }

    /// The flags that they give a site.
    pub fn flags(&self, subject: &Subject<'_>) -> Flags {
        let commands = self.0.iter();
        commands.fold(Flags::NONE, |flags, command| {
            command.applied(flags, subject)
        })
    }
}

/// The commands in force, ready for use.
#[derive(Debug, Default)]
pub struct Rulebook {
    /// Of the life, and of the text.
    pub number: (u64, u64),
    /// The commands.
    pub commands: Commands,
}

impl Rulebook {
    /// Reads them, if they are of this number and not being replaced.
    pub(crate) fn read(number: (u64, u64), rules: &Rules) -> Option<Rulebook> {
        let mut room = [0; Rules::MOST_BYTES];
        let (of_text, length) = rules.read(&mut room)?;
        if of_text != number.1 {
            return None;
        }
        let text = String::from_utf8_lossy(room.get(..length).unwrap_or_default()).into_owned();
        let commands = Commands::of(&text);
        Some(Rulebook { number, commands })
    }
}

/// Puts further commands in force: each for the sites that it matches, those included that do not run before later.
///
/// # Errors
/// One of the commands is wrong (then the others are in force all the same, as the kernel has it), or there is no room.
pub fn add(control: &Control, rules: &Rules, commands: &str) -> Result<(), Error> {
    let (commands, wrong) = parse(commands);
    if !commands.is_empty() {
        replace(control, rules, |text| {
            for command in &commands {
                if command.is_last_word() {
                    text.clear(); // what was before has no effect any more
                }
                let line = command.to_string();
                text.retain_lines(|other| other != line);
                if !command.clears_all() {
                    text.push_line(&line);
                }
            }
        })?;
    }
    wrong.map_or(Ok(()), Err)
}

/// The lines of a text of commands.
struct Lines(Vec<String>);

impl Lines {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn retain_lines(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|line| keep(line));
    }

    fn push_line(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }
}

fn replace(control: &Control, rules: &Rules, change: impl FnOnce(&mut Lines)) -> Result<(), Error> {
    let odd = claim(rules);
    let before = text_of(rules);
    let mut lines = Lines(before.lines().map(str::to_owned).collect());
    change(&mut lines);
    let text = lines.0.join("\n");
    if text.len() > Rules::MOST_BYTES {
        rules.end(odd, before.as_bytes());
        return Err(Error::Config(format!(
            "too many commands of dynamic debug: {} bytes, of which {} have room; '=_' takes all back",
            text.len(),
            Rules::MOST_BYTES
        )));
    }
    // While the text is claimed: of two who replace it the later one has the last word in both.
    if text.is_empty() {
        control.level.fetch_and(!RULED, Ordering::SeqCst);
    } else {
        control.level.fetch_or(RULED, Ordering::SeqCst);
    }
    rules.end(odd, text.as_bytes());
    Ok(())
}

/// Claims the text, if need be from somebody who does not come to an end.
fn claim(rules: &Rules) -> u64 {
    let (mut end, mut seen) = (Instant::now() + PATIENCE, 0);
    loop {
        if let Some(odd) = rules.begin() {
            return odd;
        }
        let now = rules.number.load(Ordering::Relaxed);
        if now != seen {
            (end, seen) = (Instant::now() + PATIENCE, now);
        } else if now & 1 != 0
            && Instant::now() > end
            && let Some(odd) = rules.take_over(now)
        {
            return odd;
        }
        std::thread::yield_now();
    }
}

/// The text, by whom it is claimed.
fn text_of(rules: &Rules) -> String {
    let mut room = vec![0; Rules::MOST_BYTES];
    let length = rules.read_claimed(&mut room);
    String::from_utf8_lossy(room.get(..length).unwrap_or_default()).into_owned()
}

/// A forked child goes by what its parent's log goes by.
pub(crate) fn carry(parent: &Core, child: &Core) {
    let ruling = Ruling::read(parent.rules());
    if !ruling.text.is_empty() {
        let _ = add(child.control(), child.rules(), &ruling.text);
    }
}
