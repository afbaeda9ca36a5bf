//! GDAL as a library: started once for the process, and what it says on failure.

use std::cell::RefCell;
use std::sync::Once;

use gdal::errors::{CplErrType, GdalError};

use crate::error::Cause;

/// Must run once before any other call; later calls do nothing.
pub fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        // What GDAL says would go to the terminal of whoever runs the query. Errors come back as results, but for
        // a few, which `failure_of` asks for.
        gdal::config::set_error_handler(|class, _, text| {
            if matches!(class, CplErrType::Failure | CplErrType::Fatal) {
                let _ = FAILURE.try_with(|failure| *failure.borrow_mut() = Some(text.to_string()));
            }
        });
    });
}

thread_local! {
    /// The last failure that GDAL told of on this thread.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs something that may fail without returning an error, and gives what GDAL said of it.
pub fn failure_of<T>(work: impl FnOnce() -> T) -> (T, Option<String>) {
    FAILURE.take();
    let outcome = work();
    (outcome, FAILURE.take().map(|text| text.trim_end_matches('.').to_string()))
}

/// What GDAL said, with its error kept.
pub fn cause(error: GdalError, path: &str) -> Cause {
    Cause::worded(reason(&error, path), error)
}

/// What GDAL said, without its numbers and without the path, which our own message names.
pub fn reason(error: &GdalError, path: &str) -> String {
    let text = match error {
        GdalError::CplError { msg, .. } | GdalError::NullPointer { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let text = text
        .replace(&format!("`{path}' "), "")
        .replace(&format!("{path}: "), "")
        .replace(&format!("{path}, "), "");
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("GDAL gave no reason").trim();
    line.trim_end_matches('.').to_string()
}
