//! Records as they are handed out: with what their call sites say, so that nobody needs the log to read them.

use pr_record::{Sites, site_of, write_whole};

/// More than any record becomes: twice the longest payload, and the longest description.
const ENOUGH_BYTES: usize = 128 * 1024;

/// Whether these bytes are a record that leaves something to its call site.
pub(crate) fn needs_site(payload: &[u8]) -> bool {
    site_of(payload).is_some()
}

/// Completes a payload by what its call site says. One that names none, or one that is not known, stays as it is.
pub(crate) fn complete<S: Sites + ?Sized>(payload: &mut Vec<u8>, sites: &S) {
    let mut room = payload.len() + 1024;
    loop {
        let mut whole = vec![0; room];
        if let Some(len) = write_whole(payload, sites, &mut whole) {
            whole.truncate(len);
            *payload = whole;
            return;
        }
        let is_known = site_of(payload).is_some_and(|id| sites.site(id).is_some());
        if !is_known || room >= ENOUGH_BYTES {
            return;
        }
        room = (room * 4).min(ENOUGH_BYTES);
    }
}
