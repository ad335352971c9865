//! Call sites whose texts are stored once, outside of the records.

/// What every record of one call site has in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site<'a> {
    /// The event (or template) of the call.
    pub event: Option<&'a str>,
    /// The logger's name.
    pub logger: Option<&'a str>,
    /// Source file.
    pub file: Option<&'a str>,
    /// Line in it; 0 when unknown.
    pub line: u32,
    /// Function.
    pub func: Option<&'a str>,
}

/// Finds the call site that a record names by number. What a record says itself wins
/// over what its site says.
pub trait Sites {
    /// The site of that number, if it is known.
    fn site(&self, id: u32) -> Option<Site<'_>>;
}

/// No table of sites: every number is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSites;

impl Sites for NoSites {
    fn site(&self, _id: u32) -> Option<Site<'_>> {
        None
    }
}
