//! Owned values of any shape, for properties.
#![allow(dead_code, reason = "each program uses some")]

use pr_record::{Raw, Value, ValueWriter};
use proptest::prelude::*;

/// A value that owns what it holds.
#[derive(Clone, Debug)]
pub enum Tree {
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
    Enum(String, Box<Tree>),
    Numpy(String, Box<Tree>),
    List(Vec<Tree>),
    Dict(Vec<(String, Tree)>),
}

/// Text of all kinds: plain, hostile, any.
pub fn text() -> impl Strategy<Value = String> {
    let hostile = proptest::collection::vec(
        prop_oneof![
            Just("\n"),
            Just("\r\n"),
            Just("\u{1b}[2J"),
            Just("\u{9b}31m"),
            Just("\""),
            Just("\\"),
            Just("="),
            Just(" "),
            Just("\t"),
            Just("\u{2028}"),
            Just("\u{202e}"),
            Just("\u{85}"),
            Just("[    1.000000] "),
            Just("<3>"),
            Just("** 5 printk messages dropped **"),
            Just(",\"level\":\"EMERG\""),
            Just("\u{7f}"),
            Just("ü"),
            Just("😀"),
            Just("\0"),
            Just("x"),
        ],
        0..8,
    );
    prop_oneof![
        "[a-z_.]{0,12}",
        hostile.prop_map(|parts| parts.concat()),
        any::<String>(),
        "[ -~]{100,400}",
    ]
}

fn scalar() -> impl Strategy<Value = Tree> {
    prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Int),
        (-200i64..200).prop_map(Tree::Int),
        any::<u64>().prop_map(Tree::UInt),
        any::<f64>().prop_map(Tree::Float),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0)].prop_map(Tree::Float),
        text().prop_map(Tree::Str),
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        text().prop_map(Tree::DateTime),
        any::<[u8; 16]>().prop_map(Tree::Uuid),
        text().prop_map(Tree::Decimal),
        text().prop_map(Tree::Path),
    ]
}

/// A value with lists and dicts to depth four.
pub fn tree() -> impl Strategy<Value = Tree> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Tree::List),
            proptest::collection::vec((text(), inner), 0..5).prop_map(Tree::Dict),
            (text(), scalar()).prop_map(|(name, tree)| Tree::Enum(name, Box::new(tree))),
            (text(), scalar()).prop_map(|(name, tree)| Tree::Numpy(name, Box::new(tree))),
        ]
    })
}

impl Tree {
    /// Adds the value to a writer.
    pub fn write(&self, writer: &mut ValueWriter<'_>) {
        match self {
            Tree::List(items) => {
                writer.begin_list();
                items.iter().for_each(|item| item.write(writer));
                writer.end();
            }
            Tree::Dict(entries) => {
                writer.begin_dict();
                for (key, value) in entries {
                    writer.key(key);
                    value.write(writer);
                }
                writer.end();
            }
            _ => self.with(|value| writer.push(value)),
        }
    }

    /// Calls with the value.
    pub fn with<R>(&self, call: impl FnOnce(&Value<'_>) -> R) -> R {
        let mut buf = vec![0; 64 * 1024];
        match self {
            Tree::Null => call(&Value::Null),
            Tree::Bool(value) => call(&Value::Bool(*value)),
            Tree::Int(value) => call(&Value::Int(*value)),
            Tree::UInt(value) => call(&Value::UInt(*value)),
            Tree::Float(value) => call(&Value::Float(*value)),
            Tree::Str(value) => call(&Value::Str(value)),
            Tree::Bytes(value) => call(&Value::Bytes(value)),
            Tree::DateTime(value) => call(&Value::DateTime(value)),
            Tree::Uuid(value) => call(&Value::Uuid(*value)),
            Tree::Decimal(value) => call(&Value::Decimal(value)),
            Tree::Path(value) => call(&Value::Path(value)),
            Tree::Enum(name, inner) => {
                let value = inner.encode(&mut buf);
                call(&Value::Enum { name, value })
            }
            Tree::Numpy(dtype, inner) => {
                let value = inner.encode(&mut buf);
                call(&Value::Numpy { dtype, value })
            }
            Tree::List(_) | Tree::Dict(_) => call(&self.encode(&mut buf).value()),
        }
    }

    fn encode<'b>(&self, buf: &'b mut [u8]) -> Raw<'b> {
        if let Tree::List(_) | Tree::Dict(_) = self {
            let mut writer = ValueWriter::new(buf);
            self.write(&mut writer);
            return writer.finish().expect("it fits");
        }
        self.with(|value| Raw::encode(value, buf)).expect("it fits")
    }

    /// The tree of a decoded value.
    pub fn of(value: Value<'_>) -> Tree {
        match value {
            Value::Null => Tree::Null,
            Value::Bool(value) => Tree::Bool(value),
            Value::Int(value) => Tree::Int(value),
            Value::UInt(value) => Tree::UInt(value),
            Value::Float(value) => Tree::Float(value),
            Value::Str(value) => Tree::Str(value.into()),
            Value::Bytes(value) => Tree::Bytes(value.into()),
            Value::DateTime(value) => Tree::DateTime(value.into()),
            Value::Uuid(value) => Tree::Uuid(value),
            Value::Decimal(value) => Tree::Decimal(value.into()),
            Value::Path(value) => Tree::Path(value.into()),
            Value::Enum { name, value } => {
                Tree::Enum(name.into(), Box::new(Tree::of(value.value())))
            }
            Value::Numpy { dtype, value } => {
                Tree::Numpy(dtype.into(), Box::new(Tree::of(value.value())))
            }
            Value::List(items) => Tree::List(items.iter().map(Tree::of).collect()),
            Value::Dict(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| (entry.key.into(), Tree::of(entry.value)));
                Tree::Dict(entries.collect())
            }
        }
    }

    /// The same value where a u64 fits an i64 and NaN is NaN.
    pub fn is_same(&self, other: &Tree) -> bool {
        match (self, other) {
            (Tree::UInt(a), Tree::Int(b)) => i64::try_from(*a) == Ok(*b),
            (Tree::Float(a), Tree::Float(b)) => a.to_bits() == b.to_bits(),
            (Tree::Enum(a, x), Tree::Enum(b, y)) | (Tree::Numpy(a, x), Tree::Numpy(b, y)) => {
                a == b && x.is_same(y)
            }
            (Tree::List(a), Tree::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
            }
            (Tree::Dict(a), Tree::Dict(b)) => {
                let same =
                    |((k, a), (l, b)): (&(String, Tree), &(String, Tree))| k == l && a.is_same(b);
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            _ => format!("{self:?}") == format!("{other:?}"),
        }
    }

    /// What JSON should hold.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::{Value as Json, json};
        match self {
            Tree::Null => Json::Null,
            Tree::Bool(value) => json!(value),
            Tree::Int(value) => json!(value),
            Tree::UInt(value) => json!(value),
            Tree::Float(value) if value.is_nan() => json!("NaN"),
            Tree::Float(f64::INFINITY) => json!("Infinity"),
            Tree::Float(f64::NEG_INFINITY) => json!("-Infinity"),
            Tree::Float(value) => json!(value),
            Tree::Str(value) | Tree::DateTime(value) | Tree::Decimal(value) | Tree::Path(value) => {
                json!(value)
            }
            Tree::Bytes(value) => {
                let shown = value.iter().map(|byte| match byte {
                    b'\\' | 0..=0x1f | 0x7f.. => format!("\\x{byte:02x}"),
                    _ => char::from(*byte).to_string(),
                });
                json!(shown.collect::<String>())
            }
            Tree::Uuid(value) => {
                let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                json!(
                    [
                        &hex[..8],
                        &hex[8..12],
                        &hex[12..16],
                        &hex[16..20],
                        &hex[20..]
                    ]
                    .join("-")
                )
            }
            Tree::Enum(_, inner) | Tree::Numpy(_, inner) => inner.json(),
            Tree::List(items) => Json::Array(items.iter().map(Tree::json).collect()),
            Tree::Dict(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.json()));
                Json::Object(entries.collect())
            }
        }
    }
}
