//! Paths, globs, URLs and side files: from what the user names to files on disk or behind a URL.
//!
//! A text is taken apart once, into a [`Location`], and a file is looked at once, which gives a [`Sight`]. The rooms
//! below take these two; none of them asks a text what it is.

pub mod beside;
pub mod door;
pub mod expand;
pub mod failure;
pub mod location;
pub mod ranges;
pub mod reader;
pub mod remote;
pub mod sight;
pub mod text;

pub use beside::{Listings, beside, own_side_files, side_files};
pub use expand::expand;
pub use location::{Address, Location};
pub use sight::{FileKind, Sight, Stamp, state};
pub use text::text;

/// How many files this process may have open at once.
pub fn most_open() -> usize {
    // Linux tells it as text. Elsewhere: the least that systems give.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    soft.and_then(|numbers| numbers.split_whitespace().next()?.parse().ok()).unwrap_or(256)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_may_have_some_files_open() {
        assert!(super::most_open() >= 16);
    }
}
