//! Deferred `%` templates: a record keeps the template and its arguments, and whoever reads it puts them together.
//!
//! What comes out is what CPython's `template % arguments` gives, to the last digit. What could not be shown so here, or
//! what the interpreter would refuse, does not get here: a call asks [`fits`], and renders itself what does not. A reader
//! has to be total even so, for a file may hold anything: a conversion that cannot be done is shown as it stands in the
//! template.
//!
//! | module | idea |
//! |---|---|
//! | `parse` | text and conversions |
//! | `shown` | one conversion of one argument |
//! | `extent` | templates that ask for more than there is |
//! | `float` | `e`, `f` and `g` |
//! | `exact` | all digits of a float |
//! | `quoted` | `repr` of text and bytes |

mod exact;
mod extent;
mod float;
mod parse;
mod quoted;
mod shown;

use crate::args::{Args, ArgsIter};
use crate::value::{Field, Value};
pub use extent::{MOST_PADDING, is_enormous};
use parse::{Count, MAX_COUNT, Piece, Pieces, Spec};
use shown::Shown;

/// Conversions of one template that are done here. A float may take some microseconds, and a record that does not fit into
/// its room is rendered often: whatever a file holds, its reader must come to an end soon.
const MAX_CONVERSIONS: usize = 64;

/// A template on its way through its arguments.
struct Steps<'t, 'a> {
    pieces: Pieces<'t>,
    args: Args<'a>,
    left: ArgsIter<'a>,
    /// Conversions that were done.
    done: usize,
}

/// What comes next.
enum Step<'t, 'a> {
    Literal(&'t str),
    Shown(Shown<'a>),
    /// It cannot be done.
    Broken(&'t str),
}

impl Step<'_, '_> {
    #[inline]
    fn write(self, sink: &mut dyn FnMut(&str)) {
        match self {
            Step::Literal(text) | Step::Broken(text) => sink(text),
            Step::Shown(shown) => shown.write(sink),
        }
    }
}

impl<'t, 'a> Steps<'t, 'a> {
    #[inline]
    fn new(template: &'t str, args: Args<'a>) -> Steps<'t, 'a> {
        Steps {
            pieces: Pieces::new(template),
            args,
            left: args.iter(),
            done: 0,
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Step<'t, 'a>> {
        Some(match self.pieces.next()? {
            Piece::Literal(text) => Step::Literal(text),
            Piece::Broken(text) => Step::Broken(text),
            Piece::Conversion(spec) => match self.shown(&spec) {
                Some(shown) => Step::Shown(shown),
                None => Step::Broken(spec.source),
            },
        })
    }

    #[inline]
    fn shown(&mut self, spec: &Spec<'t>) -> Option<Shown<'a>> {
        self.done = self.done.saturating_add(1);
        if self.done > MAX_CONVERSIONS {
            return None;
        }
        if let Some(key) = spec.key {
            let (width, precision) = (number(spec.width), number(spec.precision));
            let value = self.args.get(key)?;
            return Shown::new(spec, &value, width.unwrap_or(0), precision);
        }
        if self.args.is_named() {
            return None;
        }
        let mut is_left = false;
        let width = match spec.width {
            Count::Star => {
                let width = self.star()?;
                is_left = width < 0;
                usize::from(width.unsigned_abs())
            }
            said => number(said).unwrap_or(0),
        };
        let precision = match spec.precision {
            Count::Star => Some(usize::try_from(self.star()?).unwrap_or(0)),
            said => number(said),
        };
        let shown = Shown::new(spec, &self.left.next()?.value, width, precision)?;
        Some(if is_left { shown.to_the_left() } else { shown })
    }

    /// A width or precision from the arguments.
    fn star(&mut self) -> Option<i16> {
        let number = match self.left.next()?.value {
            Value::Int(number) => i16::try_from(number).ok()?,
            Value::Bool(flag) => i16::from(flag),
            _ => return None,
        };
        (number.unsigned_abs() <= MAX_COUNT).then_some(number)
    }
}

#[inline(always)]
fn number(count: Count) -> Option<usize> {
    match count {
        Count::Number(number) => Some(usize::from(number)),
        Count::None | Count::Star => None,
    }
}

/// Whether a reader shows this template with these arguments exactly as the interpreter would.
#[inline]
pub fn fits(template: &str, args: &[Value<'_>]) -> bool {
    let mut bytes = template.as_bytes();
    let mut left = args;
    loop {
        let len = bytes.iter().take_while(|byte| **byte != b'%').count();
        let rest = bytes.get(len..).unwrap_or_default();
        match (rest, left) {
            ([], _) => return left.is_empty(),
            ([b'%', b's', tail @ ..], [value, others @ ..]) if shown::has_text(value) => {
                (bytes, left) = (tail, others);
            }
            ([b'%', b'd', tail @ ..], [Value::Int(_), others @ ..]) => {
                (bytes, left) = (tail, others);
            }
            ([b'%', b'%', tail @ ..], _) => bytes = tail,
            _ => return fits_all(template, Args::listed(args)),
        }
    }
}

/// The same for conversions and arguments of any kind.
#[inline(never)]
fn fits_all(template: &str, args: Args<'_>) -> bool {
    let mut steps = Steps::new(template, args);
    while let Some(step) = steps.next() {
        if matches!(step, Step::Broken(_)) {
            return false;
        }
    }
    args.is_named() || steps.left.next().is_none()
}

/// The same where the arguments have names.
pub fn fits_named(template: &str, args: &[Field<'_>]) -> bool {
    fits_all(template, Args::named(args))
}

/// Gives `sink` the text of a template, piece by piece.
pub fn write(template: &str, args: Args<'_>, sink: &mut dyn FnMut(&str)) {
    let mut steps = Steps::new(template, args);
    while let Some(step) = steps.next() {
        step.write(sink);
    }
}

/// Whether the text of a template is this one. What comes behind the first difference is not made.
pub fn shows(template: &str, args: Args<'_>, text: &str) -> bool {
    let mut steps = Steps::new(template, args);
    let mut rest = Some(text);
    while rest.is_some()
        && let Some(step) = steps.next()
    {
        step.write(&mut |piece| rest = rest.and_then(|rest| rest.strip_prefix(piece)));
    }
    rest == Some("")
}
