//! Why something failed, as the library or the system below said it.

use std::fmt;
use std::sync::Arc;

/// A reason as the user reads it, and the error that it came from, where there is one.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    text: String,
    error: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Cause {
    /// An error in its own words.
    pub fn of(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
        Cause { text: error.to_string(), error: Some(Arc::new(error)) }
    }

    /// An error in better words than its own.
    pub fn worded(text: impl Into<String>, error: impl std::error::Error + Send + Sync + 'static) -> Cause {
        Cause { text: text.into(), error: Some(Arc::new(error)) }
    }

    /// The same error with words in front, such as the part of the file that it is about.
    #[must_use]
    pub fn within(self, part: impl fmt::Display) -> Cause {
        Cause { text: format!("{part}: {}", self.text), ..self }
    }

    /// The same error as the end of a sentence.
    #[must_use]
    pub fn after(self, words: impl fmt::Display) -> Cause {
        Cause { text: format!("{words} {}", self.text), ..self }
    }

    /// The same error with words behind.
    #[must_use]
    pub fn before(self, words: impl fmt::Display) -> Cause {
        Cause { text: format!("{}; {words}", self.text), ..self }
    }

    /// The words.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The error below.
    pub fn error(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.as_deref().map(|error| error as _)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Cause {
        Cause { text, error: None }
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Cause {
        text.to_string().into()
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Cause {
        Cause::of(error)
    }
}

/// Two causes are the same when they read the same.
impl PartialEq for Cause {
    fn eq(&self, other: &Cause) -> bool {
        self.text == other.text
    }
}
