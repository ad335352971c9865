//! From any ordered access one can go to its pair and to the model that guards it: no label dangles, none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CALLS: [&str; 5] = [
    "acquire(",
    "release(",
    "acq_rel(",
    "fence_acquire(",
    "fence_release(",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                found.insert(
                    path.strip_prefix(root()).expect("below").to_path_buf(),
                    text,
                );
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn is_door(path: &Path) -> bool {
    path == Path::new("src/sync.rs") || path.starts_with("src/sync")
}

/// The labels quoted in `text`: between `open` and `close`, of the form `name:A`.
fn labels(text: &str, open: &str, close: char) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split(open).skip(1) {
        let label = rest.split(close).next().unwrap_or_default();
        if is_label(label) {
            found.push(label.to_owned());
        }
    }
    found
}

fn is_label(text: &str) -> bool {
    text.split_once(':').is_some_and(|(name, letter)| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && letter.len() == 1
            && letter.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}

/// One ordered access: its label, where it is, and the function around it.
#[derive(Debug)]
struct Access {
    label: String,
    file: PathBuf,
    function: String,
    /// The function's text up to the access.
    before: String,
}

fn accesses() -> Vec<Access> {
    let mut found = Vec::new();
    for (file, text) in sources("src") {
        let (mut function, mut before) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.trim_start().split("fn ").nth(1)
                && !line.trim_start().starts_with("//")
                && line.contains('(')
            {
                function = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
                before.clear();
            }
            before.push_str(line);
            before.push('\n');
            if line.trim_start().starts_with("//") || !CALLS.iter().any(|call| line.contains(call))
            {
                continue;
            }
            for label in labels(line, "\"", '"') {
                found.push(Access {
                    label,
                    file: file.clone(),
                    function: function.clone(),
                    before: before.clone(),
                });
            }
        }
    }
    assert!(
        found.len() > 20,
        "the ring has more ordered accesses than {}",
        found.len()
    );
    found
}

fn ordering() -> String {
    fs::read_to_string(root().join("ORDERING.md")).expect("ORDERING.md")
}

/// The part of ORDERING.md below this heading.
fn section(heading: &str) -> String {
    let text = ordering();
    let from = text
        .find(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let rest = text.get(from + 4..).unwrap_or_default();
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// Which labels stand opposite to each in the table of pairs.
fn opposite() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in section("Pairs").lines() {
        let column = |at| labels(row.split('|').nth(at).unwrap_or_default(), "`", '`');
        for release in column(1) {
            for acquire in column(2) {
                found
                    .entry(release.clone())
                    .or_default()
                    .insert(acquire.clone());
                found.entry(acquire).or_default().insert(release.clone());
            }
        }
    }
    assert!(found.len() > 20);
    found
}

/// Which labels the comment of this access names: up to the end of the comment, or to that of another access in it.
fn named_beside(access: &Access) -> BTreeSet<String> {
    let own = format!("// ORD({}): ", access.label);
    let mut lines = access.before.lines().map(str::trim_start);
    let Some(first) = lines.find_map(|line| line.strip_prefix(&own)) else {
        return BTreeSet::new();
    };
    let more = lines.take_while(|line| {
        let of_another = line.starts_with("// ORD(") && line.contains("): pairs with ");
        line.starts_with("//") && !of_another
    });
    let comment: String = [first].into_iter().chain(more).collect();
    labels(&comment, "ORD(", ')').into_iter().collect()
}

/// The rows of the last table: a label, and the models that fail without it.
fn bites() -> BTreeMap<String, BTreeSet<String>> {
    let rows: BTreeMap<_, _> = section("What bites")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let quoted: Vec<_> = line
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            let (label, models) = quoted.split_first().expect("a label");
            (label.clone(), models.iter().cloned().collect())
        })
        .collect();
    assert!(rows.len() > 20);
    rows
}

fn models() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in sources("tests/loom").values() {
        for rest in text.split("#[test]\nfn ").skip(1) {
            found.insert(rest.split('(').next().unwrap_or_default().to_owned());
        }
    }
    found
}

fn source_labels() -> BTreeSet<String> {
    accesses().into_iter().map(|access| access.label).collect()
}

#[test]
fn every_label_names_its_function_and_is_used_once() {
    let mut seen = BTreeMap::new();
    for access in accesses() {
        let name = access
            .label
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(
            name == access.function || (name == "pair" && is_door(&access.file)),
            "{access:?} stands in another function"
        );
        let earlier = seen.insert(access.label.clone(), access.file.clone());
        assert!(earlier.is_none(), "{} is used twice", access.label);
    }
}

#[test]
fn every_ordered_access_says_what_it_pairs_with() {
    for access in accesses() {
        let said = access.before.lines().any(|line| {
            line.trim_start().starts_with("//")
                && line.contains(&format!("ORD({}): ", access.label))
        });
        assert!(
            said,
            "no comment ORD({}): in {} of {}",
            access.label,
            access.function,
            access.file.display()
        );
    }
}

#[test]
fn every_comment_names_the_pairs_of_the_table() {
    let opposite = opposite();
    for access in accesses() {
        let wanted = opposite.get(&access.label).cloned().unwrap_or_default();
        let missing: Vec<_> = wanted.difference(&named_beside(&access)).cloned().collect();
        assert!(
            missing.is_empty(),
            "the comment of {} in {} does not say that it pairs with {missing:?}",
            access.label,
            access.file.display()
        );
    }
}

#[test]
fn no_ordering_is_had_without_a_label_beside_it() {
    for (file, text) in sources("src") {
        let code = text.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("//") && !line.contains("fn ") // where these are made
        });
        for line in code {
            let calls = |call| line.matches(call).count();
            let wanted = calls("acquire(") + calls("release(") + 2 * calls("acq_rel(");
            let found = labels(line, "\"", '"').len();
            assert_eq!(found, wanted, "{}: {line}", file.display());
        }
    }
}

#[test]
fn no_comment_names_a_label_that_is_not_there() {
    let there = source_labels();
    for folder in ["src", "tests"] {
        for (file, text) in sources(folder) {
            for label in labels(&text, "ORD(", ')') {
                assert!(
                    there.contains(&label),
                    "{} names ORD({label})",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_pairs_name_every_label_and_no_other() {
    let named: BTreeSet<_> = labels(&section("Pairs"), "`", '`').into_iter().collect();
    assert_eq!(named, source_labels());
}

#[test]
fn every_label_bites_in_a_model_or_is_said_not_to() {
    let uncovered: BTreeSet<_> = labels(&section("What loom cannot express"), "`", '`')
        .into_iter()
        .collect();
    // Rows that take two away at once are beside the point here.
    let mut covered: BTreeSet<_> = bites()
        .into_keys()
        .filter(|label| is_label(label))
        .collect();
    assert!(covered.is_disjoint(&uncovered));
    covered.extend(uncovered);
    assert_eq!(covered, source_labels());
}

#[test]
fn every_pair_has_models_that_fail_without_either_side_and_says_which() {
    let bites = bites();
    let failing = |label: &str| bites.get(label).cloned().unwrap_or_default();
    let mut wanted = Vec::new();
    for row in section("Pairs").lines() {
        let column = |at| row.split('|').nth(at).unwrap_or_default();
        // Of two that do for each other the models fail that do so without both.
        let acquires = match labels(column(2), "`", '`') {
            either if column(2).contains(" or ") => vec![either.join(",")],
            each => each,
        };
        for release in labels(column(1), "`", '`') {
            for acquire in &acquires {
                let without_one = failing(&release);
                let shared: Vec<_> = without_one
                    .intersection(&failing(acquire))
                    .cloned()
                    .collect();
                assert!(
                    !shared.is_empty(),
                    "no model guards {release} with {acquire}"
                );
                let line = format!("| `{release}` | `{acquire}` | `{}` |", shared.join("` `"));
                if !wanted.contains(&line) {
                    wanted.push(line);
                }
            }
        }
    }
    assert!(wanted.len() > 20, "only {} pairs", wanted.len());
    let there = section("The models of each pair");
    let there: Vec<_> = there
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(there, wanted);
}

#[test]
fn every_model_is_named_and_every_named_model_exists() {
    let rows = bites();
    for (label, models) in &rows {
        assert!(!models.is_empty(), "nothing fails without {label}");
    }
    let named: BTreeSet<_> = rows.into_values().flatten().collect();
    assert_eq!(named, models());
}

#[test]
fn atomics_are_named_behind_the_door_only() {
    for (file, text) in sources("src") {
        if is_door(&file) {
            continue;
        }
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for word in [
                "atomic::",
                "Ordering::",
                "UnsafeCell",
                "AtomicU",
                "compare_exchange",
                "volatile",
            ] {
                assert!(!line.contains(word), "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn an_access_that_takes_an_ordering_gets_a_labelled_one() {
    for (file, text) in sources("src") {
        if is_door(&file) {
            continue;
        }
        let flat = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join(" ");
        for call in [".load(", ".store(", ".raise("] {
            for (at, _) in flat.match_indices(call) {
                let args = arguments(flat.get(at + call.len()..).unwrap_or_default());
                let fine = CALLS.iter().any(|call| args.contains(call))
                    || args.trim_end().ends_with("order")
                    || args.ends_with("Order::NONE");
                assert!(fine, "{}: {call}{args})", file.display());
            }
        }
    }
}

/// The text up to the parenthesis that closes what was opened before it.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        depth += match byte {
            b'(' => 1,
            b')' => -1,
            _ => 0,
        };
        if depth == 0 {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}
