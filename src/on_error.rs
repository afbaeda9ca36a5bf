//! What becomes of a row that cannot be made.

/// What becomes of a row that cannot be made: of a file that is broken, or a patch that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The query stops.
    Fail,
    /// The row is left out.
    Skip,
    /// The row stands there with its error, in a column of its own.
    Report,
}

/// The rules by the names that users give.
pub const ON_ERROR: [(&str, OnError); 3] =
    [("fail", OnError::Fail), ("skip", OnError::Skip), ("report", OnError::Report)];
