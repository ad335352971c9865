//! The beginning of a record, for whoever has no room for all of it and cuts it where it is.

use super::{Format, Scene, fits};
use crate::decode::RecordView;
use crate::meta::Meta;
use crate::out::Out;

/// Appends a record, or as much of its beginning as there is room for. True: all of it. False: what is there is the
/// beginning of what a larger writer would hold, and it may end within a line or a character.
pub fn render_beginning(
    format: Format,
    out: &mut Out<'_>,
    meta: &Meta,
    record: &RecordView<'_>,
) -> bool {
    let start = out.len();
    fits(format, out, &Scene::whole(meta, record), start)
}
