//! What the binding keeps with each log.

use crate::limits::Limits;
use crate::redact::Redaction;
use pr_host::Log;
use std::sync::Arc;

/// What there is of it.
#[derive(Debug, Default)]
pub struct Beside {
    /// What the log is not to hold.
    pub redaction: Option<Arc<Redaction>>,
    /// The call sites that may not log as often as they like.
    pub limits: Limits,
}

/// Of this log.
pub fn of(log: &Log) -> Option<&Beside> {
    log.attached()
}
