//! One command of dynamic debug: which sites, and what becomes of their flags. The grammar is the kernel's, section 8.3 of
//! its reference in this project's terms.

use super::pattern::matches;
use crate::error::Error;
use std::fmt;

/// The most words of one command, its flags included.
const MOST_WORDS: usize = 9;
/// The most characters of a part of a command that an error quotes.
const MOST_QUOTED: usize = 200;

/// What a site is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

/// The letters, in the order in which what they add stands in a message.
const LETTERS: [(char, u8); 6] = [
    ('p', Flags::PRINT),
    ('t', Flags::THREAD),
    ('m', Flags::MODULE),
    ('f', Flags::FUNCTION),
    ('s', Flags::SOURCE),
    ('l', Flags::LINE),
];

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// Its records are stored whatever their levels say.
    pub const PRINT: u8 = 1;
    /// Its messages begin with the thread's number.
    pub const THREAD: u8 = 2;
    /// And with the logger's name,
    pub const MODULE: u8 = 4;
    /// the function,
    pub const FUNCTION: u8 = 8;
    /// the file,
    pub const SOURCE: u8 = 16;
    /// and the line.
    pub const LINE: u8 = 32;

    /// Whether one of these is among them.
    pub fn has(self, flags: u8) -> bool {
        self.0 & flags != 0
    }

    /// All of them in one byte.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The flags that make this byte.
    pub fn from_bits(bits: u8) -> Flags {
        Flags(bits & 63)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("_");
        }
        let letters = LETTERS.iter().filter(|(_, flag)| self.has(*flag));
        letters
            .map(|(letter, _)| letter)
            .try_for_each(|letter| write!(f, "{letter}"))
    }
}

/// What a site is known by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Its file, as the interpreter names it.
    pub file: &'a str,
    /// Line; 0 when unknown.
    pub line: u32,
    /// Function.
    pub func: &'a str,
    /// The logger's name.
    pub logger: Option<&'a str>,
    /// The event or template, where it is a constant.
    pub event: Option<&'a str>,
}

/// How flags change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Take,
    Set,
}

/// What a site must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    File(String),
    Func(String),
    Logger(String),
    Lines(u32, u32),
    /// A part of the event, or (true) its beginning.
    Format(bool, String),
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// All of them must hold.
    conditions: Vec<Condition>,
    change: Change,
    flags: Flags,
    /// As it was written, its words quoted where that is needed.
    text: String,
}

/// The commands of a text: one a line, or separated by `;`; `#` begins a comment. And what was wrong with the first wrong one:
/// the others are whole.
pub fn parse(text: &str) -> (Vec<Command>, Option<Error>) {
    let (mut commands, mut wrong) = (Vec::new(), None);
    for line in text.split(['\n', ';']) {
        let words = match words(line) {
            Ok(words) if words.is_empty() => continue,
            words => words,
        };
        match words.and_then(Command::of) {
            Ok(command) => commands.push(command),
            Err(why) => {
                let why = format!("dynamic debug: {why} in {}", beginning(line.trim()));
                wrong.get_or_insert(Error::Config(why));
            }
        }
    }
    (commands, wrong)
}

impl Command {
    /// One command, as [`Command`] is shown.
    ///
    /// # Errors
    /// It is none; in words.
    pub fn parse(line: &str) -> Result<Command, String> {
        Command::of(words(line)?)
    }

    fn of(words: Vec<String>) -> Result<Command, String> {
        if words.len() > MOST_WORDS {
            return Err(format!("more than {MOST_WORDS} words"));
        }
        let text: Result<Vec<String>, String> = words.iter().map(|word| quoted(word)).collect();
        let text = text?;
        let (last, pairs) = words.split_last().ok_or("no words")?;
        let (change, flags) = change(last)?;
        if pairs.len() % 2 != 0 {
            return Err("a keyword without a value, or flags (like +p) are missing".into());
        }
        let mut conditions: Vec<Condition> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for pair in pairs.chunks_exact(2) {
            let [keyword, value] = pair else { continue };
            if seen.contains(&keyword.as_str()) {
                return Err(format!("{keyword} is there twice"));
            }
            seen.push(keyword);
            for new in condition(keyword, value)? {
                let kind = std::mem::discriminant(&new);
                let is_there = |known: &Condition| std::mem::discriminant(known) == kind;
                if conditions.iter().any(is_there) {
                    let value = beginning(value);
                    return Err(format!("{keyword} {value} says once more what was said"));
                }
                conditions.push(new);
            }
        }
        Ok(Command {
            conditions,
            change,
            flags,
            text: text.join(" "),
        })
    }

    /// Whether it matches a site.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.holds(subject))
    }

    /// The flags of a site after it.
    pub fn applied(&self, flags: Flags, subject: &Subject<'_>) -> Flags {
        if !self.matches(subject) {
            return flags;
        }
        match self.change {
            Change::Add => Flags(flags.0 | self.flags.0),
            Change::Take => Flags(flags.0 & !self.flags.0),
            Change::Set => self.flags,
        }
    }

    /// Whether no command before it has any effect.
    pub(super) fn is_last_word(&self) -> bool {
        self.conditions.is_empty() && self.change == Change::Set
    }

    /// Whether all sites are as if there were no commands.
    pub(super) fn clears_all(&self) -> bool {
        self.is_last_word() && self.flags == Flags::NONE
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Condition::File(pattern) => is_file(pattern, subject.file),
            Condition::Func(pattern) => matches(pattern, subject.func),
            Condition::Logger(pattern) => matches(pattern, subject.logger.unwrap_or("")),
            Condition::Lines(from, to) => (*from..=*to).contains(&subject.line),
            Condition::Format(true, start) => {
                subject.event.is_some_and(|event| event.starts_with(start))
            }
            Condition::Format(false, part) => {
                subject.event.is_some_and(|event| event.contains(&**part))
            }
        }
    }
}

/// The whole path, the end of it behind a `/`, or the name alone.
fn is_file(pattern: &str, file: &str) -> bool {
    let ends = file
        .match_indices('/')
        .map(|(at, _)| file.get(at + 1..).unwrap_or_default());
    matches(pattern, file) || ends.into_iter().any(|end| matches(pattern, end))
}

/// The flags of the last word.
fn change(word: &str) -> Result<(Change, Flags), String> {
    let mut letters = word.chars();
    let change = match letters.next() {
        Some('+') => Change::Add,
        Some('-') => Change::Take,
        Some('=') => Change::Set,
        _ => {
            return Err(format!(
                "the last word is {}, and not flags like +p, -p or =_",
                beginning(word)
            ));
        }
    };
    let mut flags = 0;
    if letters.as_str().is_empty() {
        return Err(format!("no flags behind {}", beginning(word)));
    }
    for letter in letters {
        let known = LETTERS.iter().find(|(known, _)| *known == letter);
        match known {
            Some((_, flag)) => flags |= flag,
            None if letter == '_' => {}
            None => {
                return Err(format!(
                    "no flag {letter:?}: there are p, t, m, f, s, l and _"
                ));
            }
        }
    }
    Ok((change, Flags(flags)))
}

fn condition(keyword: &str, value: &str) -> Result<Vec<Condition>, String> {
    Ok(match keyword {
        "file" => match value.rsplit_once(':') {
            Some((file, place)) if place.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                vec![Condition::File(file.into()), lines(place)?]
            }
            Some((file, func)) => vec![Condition::File(file.into()), Condition::Func(func.into())],
            None => vec![Condition::File(value.into())],
        },
        "func" => vec![Condition::Func(value.into())],
        "logger" | "module" => vec![Condition::Logger(value.into())],
        "line" => vec![lines(value)?],
        "format" | "text" => {
            let text = unescaped(value)?;
            let start = value
                .starts_with('^')
                .then(|| text.chars().skip(1).collect());
            vec![match start {
                Some(start) => Condition::Format(true, start),
                None => Condition::Format(false, text),
            }]
        }
        "class" => return Err("call sites have no class".into()),
        _ => {
            return Err(format!(
                "no keyword {}: there are file, func, logger (or module), line and format (or text)",
                beginning(keyword)
            ));
        }
    })
}

/// `n`, `a-b`, `-b` or `a-`.
fn lines(value: &str) -> Result<Condition, String> {
    let wrong = || {
        format!(
            "{} is no line, and no range like 10-20, -20 or 10-",
            beginning(value)
        )
    };
    let number = |text: &str, missing| match text {
        "" => Ok(missing),
        text => text.parse::<u32>().map_err(|_| wrong()),
    };
    let (from, to) = match value.split_once('-') {
        Some(("", "")) => return Err(wrong()),
        Some((from, to)) => (number(from, 0)?, number(to, u32::MAX)?),
        None => {
            let line = value.parse::<u32>().map_err(|_| wrong())?;
            (line, line)
        }
    };
    if from > to {
        return Err(format!(
            "the range of lines {} ends before it begins",
            beginning(value)
        ));
    }
    Ok(Condition::Lines(from, to))
}

/// The words of a command: separated by blanks, quoted where they hold some.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        }
        let (word, behind) = if first == '"' || first == '\'' {
            let inside = rest.get(1..).unwrap_or_default();
            inside
                .split_once(first)
                .ok_or("a quote that does not end")?
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest.split_at(end)
        };
        if behind
            .chars()
            .next()
            .is_some_and(|next| !next.is_whitespace())
        {
            return Err("something follows a closing quote".into());
        }
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Ok(words)
}

/// A part of a command as errors quote it: of a long one the beginning.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(MOST_QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// The word as it can be read again.
fn quoted(word: &str) -> Result<String, String> {
    let needs_quotes =
        word.is_empty() || word.starts_with(['"', '\'', '#']) || word.contains(char::is_whitespace);
    match (needs_quotes, word.contains('"'), word.contains('\'')) {
        (false, ..) => Ok(word.to_owned()),
        (true, false, _) => Ok(format!("\"{word}\"")),
        (true, true, false) => Ok(format!("'{word}'")),
        (true, true, true) => Err(format!(
            "{} has blanks and both kinds of quotes: write the blanks as \\040",
            beginning(word)
        )),
    }
}

/// With the escapes of C strings decoded.
fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next() {
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('r') => bytes.push(b'\r'),
            Some('a') => bytes.push(7),
            Some('e') => bytes.push(27),
            Some('f') => bytes.push(12),
            Some('v') => bytes.push(11),
            Some(digit @ '0'..='7') => {
                let mut number = digit.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(next) = rest.peek().and_then(|next| next.to_digit(8)) else {
                        break;
                    };
                    number = number * 8 + next;
                    rest.next();
                }
                bytes.push(
                    u8::try_from(number)
                        .map_err(|_| format!("the escape in {} is no byte", beginning(text)))?,
                );
            }
            Some(other) => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            None => return Err(format!("{} ends in a backslash", beginning(text))),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is no UTF-8", beginning(text)))
}
