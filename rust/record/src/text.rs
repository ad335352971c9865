//! What is shown of an event: itself, the message that the call has made of it, or a template with its arguments.

use crate::args::Args;
use crate::template;

/// A text that may still have to be put together.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    template: &'a str,
    args: Args<'a>,
}

impl<'a> Text<'a> {
    /// A text that is there.
    #[inline(always)]
    pub fn plain(text: &'a str) -> Text<'a> {
        Text {
            template: text,
            args: Args::NONE,
        }
    }

    /// An event with its arguments; without arguments the event is no template.
    #[inline(always)]
    pub fn new(template: &'a str, args: Args<'a>) -> Text<'a> {
        Text { template, args }
    }

    /// The text, where it is there as it is.
    #[inline(always)]
    pub fn as_plain(&self) -> Option<&'a str> {
        self.args.is_none().then_some(self.template)
    }

    /// Gives it to `sink`, piece by piece.
    pub fn write(&self, sink: &mut dyn FnMut(&str)) {
        match self.as_plain() {
            Some(text) => sink(text),
            None => template::write(self.template, self.args, sink),
        }
    }

    /// Bytes of all of it.
    pub(crate) fn len(&self) -> usize {
        let mut len = 0usize;
        self.write(&mut |piece| len = len.saturating_add(piece.len()));
        len
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.as_plain() {
            Some(text) => text == other,
            None => template::shows(self.template, self.args, other),
        }
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl core::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut written = Ok(());
        self.write(&mut |piece| {
            if written.is_ok() {
                written = f.write_str(piece);
            }
        });
        written
    }
}
