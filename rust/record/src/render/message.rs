//! The text of a record, cut where a scene says so.

use super::Scene;
use crate::cut::Capped;
use crate::out::Out;
use crate::text::Text;
use crate::wire::MARK;

/// How a text ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// It was cut here.
    pub(super) is_cut: bool,
    /// It ends in the mark, which it had before. Only looked at in records of which something is missing.
    pub(super) is_marked: bool,
}

/// Writes a text by `put`, in one piece or in several.
#[inline(always)]
pub(super) fn write(
    out: &mut Out<'_>,
    scene: &Scene<'_, '_>,
    text: &Text<'_>,
    put: impl Fn(&mut Out<'_>, &str),
) -> End {
    let Some(text) = text.as_plain() else {
        return templated(out, scene, text, &put);
    };
    let shown = scene.cut(text);
    put(out, shown);
    End {
        is_cut: shown.len() < text.len(),
        is_marked: scene.truncated && shown.ends_with(MARK),
    }
}

#[inline(never)]
fn templated(
    out: &mut Out<'_>,
    scene: &Scene<'_, '_>,
    text: &Text<'_>,
    put: &dyn Fn(&mut Out<'_>, &str),
) -> End {
    let mut capped = Capped::new(scene.cap);
    let mut is_marked = false;
    text.write(&mut |piece| {
        let some = capped.take(piece);
        if !some.is_empty() {
            is_marked = some.ends_with(MARK);
            put(out, some);
        }
    });
    let is_cut = capped.is_cut();
    End { is_cut, is_marked }
}
