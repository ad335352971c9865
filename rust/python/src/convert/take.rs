//! From Python objects to values of a record. Total: whatever an object does, something is taken.

use super::cost::Budget;
use super::kinds::{Kind, kind_of};
use super::text;
use crate::ending;
use crate::redact::{self, Redaction, shown};
use crate::tstring::holds_template;
use pr_host::Log;
use pr_host::options::default::REDACTED;
use pr_record::wire::{MAX_DEPTH, MAX_ITEMS, MAX_PAYLOAD};
use pr_record::{Field, NoSites, Payload, Value, ValueWriter, decode, encode};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};
use std::sync::Arc;

/// A value that was taken: it needs Python no more.
#[derive(Clone, Debug)]
pub enum Taken {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    DateTime(String),
    Uuid([u8; 16]),
    Decimal(String),
    Path(String),
    /// A collection, enum or NumPy scalar: an encoded record with this one field.
    Nested(Vec<u8>),
}

impl Taken {
    /// As the encoder wants it.
    pub fn value(&self) -> Value<'_> {
        match self {
            Taken::Null => Value::Null,
            Taken::Bool(value) => Value::Bool(*value),
            Taken::Int(value) => Value::Int(*value),
            Taken::UInt(value) => Value::UInt(*value),
            Taken::Float(value) => Value::Float(*value),
            Taken::Str(text) => Value::Str(text),
            Taken::Bytes(bytes) => Value::Bytes(bytes),
            Taken::DateTime(text) => Value::DateTime(text),
            Taken::Uuid(bytes) => Value::Uuid(*bytes),
            Taken::Decimal(text) => Value::Decimal(text),
            Taken::Path(text) => Value::Path(text),
            Taken::Nested(record) => {
                let fields = decode(record, &NoSites).map(|view| view.fields());
                fields
                    .ok()
                    .and_then(|mut fields| fields.next())
                    .map_or(Value::Null, |field| field.value)
            }
        }
    }

    /// Of a value that is plain; others are null.
    pub fn of(value: &Value<'_>) -> Taken {
        match value {
            Value::Bool(value) => Taken::Bool(*value),
            Value::Int(value) => Taken::Int(*value),
            Value::UInt(value) => Taken::UInt(*value),
            Value::Float(value) => Taken::Float(*value),
            Value::Str(text) => Taken::Str((*text).to_owned()),
            Value::Bytes(bytes) => Taken::Bytes((*bytes).to_owned()),
            Value::DateTime(text) => Taken::DateTime((*text).to_owned()),
            Value::Uuid(bytes) => Taken::Uuid(*bytes),
            Value::Decimal(text) => Taken::Decimal((*text).to_owned()),
            Value::Path(text) => Taken::Path((*text).to_owned()),
            _ => Taken::Null,
        }
    }

    fn size(&self) -> usize {
        match self {
            Taken::Str(text) | Taken::DateTime(text) | Taken::Decimal(text) | Taken::Path(text) => {
                3 + text.len()
            }
            Taken::Bytes(bytes) | Taken::Nested(bytes) => 3 + bytes.len(),
            Taken::Uuid(_) => 17,
            _ => 9,
        }
    }
}

/// A value whose parts are still apart.
pub enum Tree {
    Leaf(Taken),
    List(Vec<Tree>),
    Dict(Vec<(String, Tree)>),
    Enum(String, Box<Tree>),
    Numpy(String, Box<Tree>),
}

/// Takes values. What interrupts the program meanwhile (Ctrl-C, `sys.exit` in a signal handler) is kept for afterwards:
/// it is the program's, and must neither cost the record nor be lost.
#[derive(Default)]
pub struct Taker {
    interrupt: Option<PyErr>,
    /// Of template strings nothing is taken: their text shows their values, whatever the names of these.
    hides_templates: bool,
    /// What is hidden in collections whose text is taken, and in texts that are cut.
    hidden: Vec<Arc<Redaction>>,
    /// What is taken is a collection that is cut.
    is_large: bool,
}

impl Taker {
    /// One for a log, which may hide something.
    pub fn of(log: &Log) -> Taker {
        let hidden: Vec<_> = redact::kept(log).into_iter().collect();
        Taker {
            interrupt: None,
            hides_templates: !hidden.is_empty(),
            hidden,
            is_large: false,
        }
    }

    /// One for values that may come to any log.
    pub fn of_any_log() -> Taker {
        Taker {
            interrupt: None,
            hides_templates: redact::is_used(),
            hidden: redact::everywhere(),
            is_large: false,
        }
    }

    /// What it hides in texts of collections.
    pub fn hidden(&self) -> Vec<Arc<Redaction>> {
        self.hidden.clone()
    }

    /// The first interruption, now the caller's to raise.
    pub fn interrupt(self) -> Option<PyErr> {
        self.interrupt
    }

    /// The answer of a call that runs Python code; of errors, only interruptions are kept.
    pub fn ok<T>(&mut self, py: Python<'_>, answer: PyResult<T>) -> Option<T> {
        let why = match answer {
            Ok(value) => return Some(value),
            Err(why) => why,
        };
        if !why.is_instance_of::<PyException>(py) && self.interrupt.is_none() {
            self.interrupt = Some(why);
        }
        None
    }

    /// `str()` of an object, as a Python str; what stands for it if that fails.
    pub fn str_of<'py>(&mut self, object: &Bound<'py, PyAny>) -> Bound<'py, PyString> {
        if let Ok(text) = object.cast_exact::<PyString>() {
            return text.clone();
        }
        if self.hides_templates && holds_template(object) {
            return PyString::new(object.py(), REDACTED);
        }
        let shown = if self.hidden.is_empty() {
            None
        } else {
            shown::of(self, object)
        };
        let text = ending::str(shown.as_ref().unwrap_or(object));
        self.ok(object.py(), text)
            .unwrap_or_else(|| PyString::new(object.py(), &text::unprintable(object)))
    }

    /// `str()` of an object, at most as much of it as can matter.
    pub fn text_of(&mut self, object: &Bound<'_, PyAny>) -> String {
        let text = self.str_of(object);
        self.owned(&text)
    }

    /// The text of a str, at most as much of it as can matter.
    pub fn owned(&mut self, text: &Bound<'_, PyString>) -> String {
        self.shortened(text, text::LONGEST)
    }

    /// At most `most` bytes of the text of a str. What patterns match is looked for in all of it: the rest of a match that was cut
    /// in two would be shown.
    fn shortened(&mut self, text: &Bound<'_, PyString>, most: usize) -> String {
        let whole = text::of_str(text);
        if self.has_patterns() && (self.is_large || whole.len() > most) {
            let without = redact::without_matches(text.py(), self, &whole);
            return text::cut(&without, most).to_owned();
        }
        text::cut(&whole, most).to_owned()
    }

    /// Whether texts are looked through for patterns.
    pub fn has_patterns(&self) -> bool {
        self.hidden.iter().any(|redaction| redaction.has_patterns())
    }

    /// A value.
    pub fn take(&mut self, object: &Bound<'_, PyAny>) -> Taken {
        let mut tree = self.tree(object, 0, &mut Budget::new());
        if self.has_patterns() && is_to_be_cut(&tree) {
            // Once more, each text without what patterns match, for afterwards they would come upon cut ones.
            self.is_large = true;
            tree = self.tree(object, 0, &mut Budget::new());
            self.is_large = false;
        }
        match tree {
            Tree::Leaf(taken) => taken,
            tree => seal(&tree).unwrap_or_else(|| Taken::Str(self.text_of(object))),
        }
    }

    fn tree(&mut self, object: &Bound<'_, PyAny>, depth: usize, budget: &mut Budget) -> Tree {
        if let Some(taken) = self.exact(object, budget) {
            return Tree::Leaf(taken);
        }
        if let Some(tree) = self.collection(object, depth, budget) {
            return tree;
        }
        if let Some(kind) = kind_of(object)
            && let Some(tree) = self.kept(kind, object, depth, budget)
        {
            return tree;
        }
        if let Some(taken) = self.derived(object, budget) {
            return Tree::Leaf(taken);
        }
        self.printed(object, budget)
    }

    fn printed(&mut self, object: &Bound<'_, PyAny>, budget: &mut Budget) -> Tree {
        let text = self.str_of(object);
        Tree::Leaf(self.text_leaf(&text, budget))
    }

    /// Lists, tuples and dicts with str keys, also of derived types, within the bounds of depth and length. None: it is
    /// none of these, or beyond the bounds.
    fn collection(
        &mut self,
        object: &Bound<'_, PyAny>,
        depth: usize,
        budget: &mut Budget,
    ) -> Option<Tree> {
        if let Ok(list) = object.cast::<PyList>() {
            let fits = depth < MAX_DEPTH && list.len() <= MAX_ITEMS;
            return fits.then(|| self.items(list.iter(), depth, budget));
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            if !tuple.is_exact_instance_of::<PyTuple>() && kind_of(object).is_some() {
                return None;
            }
            let fits = depth < MAX_DEPTH && tuple.len() <= MAX_ITEMS;
            return fits.then(|| self.items(tuple.iter(), depth, budget));
        }
        let dict = object.cast::<PyDict>().ok()?;
        if depth >= MAX_DEPTH || dict.len() > MAX_ITEMS {
            return None;
        }
        self.entries(dict, depth, budget)
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
        budget: &mut Budget,
    ) -> Tree {
        budget.pay(3);
        let mut trees = Vec::new();
        // The list may grow while the `__str__` of one of its items runs.
        for item in items.take(MAX_ITEMS) {
            if budget.is_spent() {
                break;
            }
            trees.push(self.tree(&item, depth + 1, budget));
        }
        Tree::List(trees)
    }

    fn entries(
        &mut self,
        dict: &Bound<'_, PyDict>,
        depth: usize,
        budget: &mut Budget,
    ) -> Option<Tree> {
        // A copy: the dict may change while the `__str__` of one of its values runs.
        let entries: Vec<(Bound<'_, PyString>, Bound<'_, PyAny>)> = dict
            .items()
            .iter()
            .map(|entry| entry.extract().ok())
            .collect::<Option<_>>()?;
        budget.pay(3);
        let mut trees: Vec<(String, Tree)> = Vec::new();
        let mut has_changed = false;
        for (given, value) in &entries {
            if budget.is_spent() {
                break;
            }
            let key = self.shortened(given, budget.text());
            budget.pay(1 + key.len());
            let tree = self.tree(value, depth + 1, budget);
            // Of keys that are the same without halves of characters, or as far as there is room, the last value stays, as
            // of names of fields.
            has_changed |= given.to_str().ok() != Some(&key);
            let same = has_changed.then(|| trees.iter().position(|(other, _)| *other == key));
            match same.flatten().and_then(|at| trees.get_mut(at)) {
                Some((_, other)) => *other = tree,
                None => trees.push((key, tree)),
            }
        }
        Some(Tree::Dict(trees))
    }

    /// The types that are kept under their own kind. None: the object does not behave as its type should.
    fn kept(
        &mut self,
        kind: Kind,
        object: &Bound<'_, PyAny>,
        depth: usize,
        budget: &mut Budget,
    ) -> Option<Tree> {
        let py = object.py();
        let text = |taker: &mut Taker, answer: PyResult<Bound<'_, PyAny>>| {
            let answer = taker.ok(py, answer)?.cast_into::<PyString>().ok()?;
            Some(taker.owned(&answer))
        };
        let taken = match kind {
            Kind::Enum => return self.member(object, depth, budget),
            Kind::Numpy => return self.scalar(object, depth, budget),
            Kind::DateTime => Taken::DateTime(text(self, ending::method(object, "isoformat"))?),
            Kind::Uuid => {
                let bytes = ending::attribute(object, "bytes")
                    .and_then(|bytes| bytes.extract::<[u8; 16]>());
                Taken::Uuid(self.ok(py, bytes)?)
            }
            Kind::Decimal => Taken::Decimal(text(self, ending::str(object).map(Bound::into_any))?),
            Kind::Path => Taken::Path(text(self, ending::str(object).map(Bound::into_any))?),
        };
        budget.pay(taken.size());
        Some(Tree::Leaf(taken))
    }

    /// An enum's member: its value, with the qualified name.
    fn member(
        &mut self,
        object: &Bound<'_, PyAny>,
        depth: usize,
        budget: &mut Budget,
    ) -> Option<Tree> {
        let py = object.py();
        let class = self.ok(py, object.get_type().qualname())?;
        let name = self.ok(py, ending::attribute(object, "_name_"))?;
        let value = self.ok(py, ending::attribute(object, "_value_"))?;
        let mut qualified = text::owned(&class);
        if let Ok(name) = name.cast::<PyString>() {
            qualified.push('.');
            qualified.push_str(&text::of_str(name));
        }
        budget.pay(3 + qualified.len());
        // Members that are each other's values would never end.
        let is_member = kind_of(&value) == Some(Kind::Enum);
        let value = if is_member {
            self.printed(&value, budget)
        } else {
            self.tree(&value, depth, budget)
        };
        Some(Tree::Enum(qualified, Box::new(unwrapped(value))))
    }

    /// A NumPy scalar: the Python scalar, with the dtype's name.
    fn scalar(
        &mut self,
        object: &Bound<'_, PyAny>,
        depth: usize,
        budget: &mut Budget,
    ) -> Option<Tree> {
        let py = object.py();
        let dtype = self.ok(
            py,
            ending::attribute(object, "dtype").and_then(|dtype| ending::attribute(&dtype, "name")),
        )?;
        let dtype = text::owned(dtype.cast::<PyString>().ok()?);
        let item = self.ok(py, ending::method(object, "item"))?;
        budget.pay(3 + dtype.len());
        // A long double has no Python scalar: its item is itself.
        let is_kept = matches!(kind_of(&item), Some(Kind::Numpy | Kind::Enum));
        let value = if is_kept {
            self.printed(&item, budget)
        } else {
            self.tree(&item, depth, budget)
        };
        Some(Tree::Numpy(dtype, Box::new(value)))
    }

    /// Objects of exactly the simple types.
    fn exact(&mut self, object: &Bound<'_, PyAny>, budget: &mut Budget) -> Option<Taken> {
        if object.is_none() {
            budget.pay(1);
            return Some(Taken::Null);
        }
        if let Ok(value) = object.cast_exact::<PyBool>() {
            budget.pay(1);
            return Some(Taken::Bool(value.is_true()));
        }
        let simple = object.is_exact_instance_of::<PyInt>()
            || object.is_exact_instance_of::<PyFloat>()
            || object.is_exact_instance_of::<PyString>()
            || object.is_exact_instance_of::<PyBytes>();
        if simple {
            self.derived(object, budget)
        } else {
            None
        }
    }

    /// Objects of the simple types and of types derived from them: the value that they hold, whatever their methods say.
    fn derived(&mut self, object: &Bound<'_, PyAny>, budget: &mut Budget) -> Option<Taken> {
        if let Ok(number) = object.cast::<PyInt>() {
            return Some(int_leaf(number, budget));
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Some(self.text_leaf(text, budget));
        }
        let taken = if let Ok(number) = object.cast::<PyFloat>() {
            Taken::Float(number.value())
        } else {
            let bytes = object.cast::<PyBytes>().ok()?.as_bytes();
            Taken::Bytes(bytes.get(..text::LONGEST).unwrap_or(bytes).to_owned())
        };
        budget.pay(taken.size());
        Some(taken)
    }

    fn text_leaf(&mut self, text: &Bound<'_, PyString>, budget: &mut Budget) -> Taken {
        let taken = self.shortened(text, budget.text());
        budget.pay(2 + taken.len());
        Taken::Str(taken)
    }
}

/// An enum of NumPy scalars is kept as an enum of Python's.
fn unwrapped(tree: Tree) -> Tree {
    match tree {
        Tree::Numpy(_, inner) => *inner,
        other => other,
    }
}

fn int_leaf(number: &Bound<'_, PyInt>, budget: &mut Budget) -> Taken {
    if let Ok(value) = number.extract::<i64>() {
        budget.pay_for_int(value);
        return Taken::Int(value);
    }
    let taken = match number.extract::<u64>() {
        Ok(value) => Taken::UInt(value),
        Err(_) => Taken::Str(digits(number)),
    };
    budget.pay(taken.size());
    taken
}

/// An int beyond 64 bits: its digits. One that Python refuses to write in decimal: in hexadecimal; one that no record can
/// hold: how long it is.
#[cold]
fn digits(number: &Bound<'_, PyInt>) -> String {
    let class: Bound<'_, PyType> = number.py().get_type::<PyInt>();
    let text = |answer: PyResult<Bound<'_, PyAny>>| {
        answer
            .ok()
            .and_then(|text| Some(text::owned(text.cast::<PyString>().ok()?)))
    };
    if let Some(decimal) = text(class.call_method1("__repr__", (number,))) {
        return decimal;
    }
    let bits = class
        .call_method1("bit_length", (number,))
        .and_then(|bits| bits.extract::<u64>())
        .unwrap_or(u64::MAX);
    if bits <= 4 * MAX_PAYLOAD as u64
        && let Some(hexadecimal) = text(class.call_method1("__format__", (number, "#x")))
    {
        return hexadecimal;
    }
    format!("<int of {bits} bits>")
}

/// Whether the record of one value does not hold all of a collection, or nearly not.
fn is_to_be_cut(tree: &Tree) -> bool {
    !matches!(tree, Tree::Leaf(_)) && size(tree) + 128 > MAX_PAYLOAD
}

/// Encodes a tree as a record with one field. None: the tree is longer than its encoding can say.
pub fn seal(tree: &Tree) -> Option<Taken> {
    let mut scratch = vec![0; size(tree)];
    let mut writer = ValueWriter::new(&mut scratch);
    write(tree, &mut writer)?;
    let value = writer.finish()?.value();
    let mut record = vec![0; MAX_PAYLOAD.min(size(tree) + 16)];
    let payload = Payload {
        fields: &[Field { key: "", value }],
        ..Payload::default()
    };
    let encoded = encode(&payload, &mut record);
    record.truncate(encoded.len);
    record.shrink_to_fit();
    Some(Taken::Nested(record))
}

fn write(tree: &Tree, writer: &mut ValueWriter<'_>) -> Option<()> {
    match tree {
        Tree::Leaf(taken) => writer.push(&taken.value()),
        Tree::List(items) => {
            writer.begin_list();
            items.iter().try_for_each(|item| write(item, writer))?;
            writer.end();
        }
        Tree::Dict(entries) => {
            writer.begin_dict();
            for (key, value) in entries {
                writer.key(key);
                write(value, writer)?;
            }
            writer.end();
        }
        Tree::Enum(name, inner) | Tree::Numpy(name, inner) => {
            let mut scratch = vec![0; size(inner)];
            let mut inner_writer = ValueWriter::new(&mut scratch);
            write(inner, &mut inner_writer)?;
            let value = inner_writer.finish()?;
            writer.push(&match tree {
                Tree::Enum(..) => Value::Enum { name, value },
                _ => Value::Numpy { dtype: name, value },
            });
        }
    }
    writer.is_ok().then_some(())
}

/// Bytes that the encoding takes at most.
fn size(tree: &Tree) -> usize {
    match tree {
        Tree::Leaf(taken) => taken.size(),
        Tree::List(items) => 3 + items.iter().map(size).sum::<usize>(),
        Tree::Dict(entries) => {
            3 + entries
                .iter()
                .map(|(key, value)| 2 + key.len() + size(value))
                .sum::<usize>()
        }
        Tree::Enum(name, inner) | Tree::Numpy(name, inner) => 3 + name.len() + size(inner),
    }
}
