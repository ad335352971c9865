//! Log calls of all kinds, for properties.

use crate::tree::{Tree, text, tree};
use pr_record::{Ambient, Args, Exc, Field, NoSites, Payload, decode, encode};
use proptest::prelude::*;

/// A log call that owns what it says.
#[derive(Clone, Debug)]
pub struct Call {
    pub event: String,
    pub message: Option<String>,
    pub logger: Option<String>,
    pub levelno: Option<i32>,
    pub source: Option<(String, u32, String)>,
    pub exc: Option<(String, String, String)>,
    pub args: Option<CallArgs>,
    pub fields: Vec<(String, Tree)>,
}

/// Arguments of a template.
#[derive(Clone, Debug)]
pub struct CallArgs {
    pub is_named: bool,
    pub values: Vec<(String, Tree)>,
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]_?", "(seq|ts|event|dropped|truncated)_{0,2}", text()]
}

/// Text that may be a template.
fn event() -> impl Strategy<Value = String> {
    let conversion = r"(a|%|%%|%[-+ #0]{0,2}(\*|[0-9]{0,3})(\.(\*|[0-9]{0,2}))?[lhq]?[disxfgecra%]|%\([a-e]\)s){0,6}";
    prop_oneof![text(), conversion]
}

prop_compose! {
    pub fn args()(
        is_named in any::<bool>(),
        values in proptest::collection::vec((key(), tree()), 0..5),
    ) -> CallArgs {
        CallArgs { is_named, values }
    }
}

prop_compose! {
    pub fn call()(
        event in event(),
        message in proptest::option::of(text()),
        logger in proptest::option::of(text()),
        levelno in any::<Option<i32>>(),
        source in proptest::option::of((text(), any::<u32>(), text())),
        exc in proptest::option::of((text(), text(), text())),
        args in proptest::option::weighted(0.3, args()),
        fields in proptest::collection::vec((key(), tree()), 0..6),
    ) -> Call {
        Call { event, message, logger, levelno, source, exc, args, fields }
    }
}

impl Call {
    pub fn with<R>(&self, call: impl FnOnce(&Payload<'_>) -> R) -> R {
        let encoded = all(&self.fields);
        let fields = fields_of(&self.fields, &encoded);
        let given = self.args.as_ref().map_or(&[][..], |args| &args.values);
        let encoded = all(given);
        let named = fields_of(given, &encoded);
        let listed: Vec<_> = named.iter().map(|field| field.value).collect();
        let args = match &self.args {
            None => Args::NONE,
            Some(args) if args.is_named => Args::named(&named),
            Some(_) => Args::listed(&listed),
        };
        call(&Payload {
            event: &self.event,
            message: self.message.as_deref(),
            args,
            logger: self.logger.as_deref(),
            levelno: self.levelno,
            file: self.source.as_ref().map(|source| source.0.as_str()),
            line: self.source.as_ref().map_or(0, |source| source.1),
            func: self.source.as_ref().map(|source| source.2.as_str()),
            exc: self.exc.as_ref().map(|(kind, message, stacktrace)| Exc {
                kind,
                message,
                stacktrace,
            }),
            fields: &fields,
            ambient: self.ambient(),
            site: None,
        })
    }

    /// The middle third of the fields.
    pub fn ambient(&self) -> Ambient {
        let third = self.fields.len() / 3;
        Ambient {
            from: third,
            to: self.fields.len() - third,
        }
    }

    pub fn encoded(&self, limit: usize) -> Vec<u8> {
        let mut buf = vec![0; limit];
        let len = self.with(|payload| encode(payload, &mut buf).len);
        buf.truncate(len);
        buf
    }
}

fn all(named: &[(String, Tree)]) -> Vec<Vec<u8>> {
    named.iter().map(|(_, tree)| alone(tree)).collect()
}

fn fields_of<'a>(named: &'a [(String, Tree)], encoded: &'a [Vec<u8>]) -> Vec<Field<'a>> {
    let value = |bytes| {
        let record = decode(bytes, &NoSites).unwrap();
        record.fields().next().unwrap().value
    };
    let keys = named.iter().map(|(key, _)| key.as_str());
    keys.zip(encoded)
        .map(|(key, bytes)| Field {
            key,
            value: value(bytes),
        })
        .collect()
}

/// A record that holds nothing but one value: it keeps what a field borrows.
fn alone(tree: &Tree) -> Vec<u8> {
    let mut buf = vec![0; 64 * 1024];
    let made = tree.with(|value| {
        let fields = [Field {
            key: "",
            value: *value,
        }];
        encode(
            &Payload {
                fields: &fields,
                ..Payload::default()
            },
            &mut buf,
        )
    });
    assert!(!made.truncated);
    buf.truncate(made.len);
    buf
}
