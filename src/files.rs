//! Paths, globs, URLs and side files: from what the user names to files on disk or behind a URL.
//!
//! A text is taken apart once, into a [`Location`], and a file is looked at once, which gives a [`Sight`]. The rooms
//! below take these two; none of them asks a text what it is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

pub mod beside;
pub mod content;
pub mod door;
pub mod expand;
pub mod failure;
pub mod location;
pub mod ranges;
pub mod reader;
pub mod remote;
pub mod sight;
pub mod text;
pub mod web;

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

/// The memory that the process's control group allows; `None` where nothing bounds it.
pub fn cgroup_memory() -> Option<usize> {
    static MEMORY: OnceLock<Option<usize>> = OnceLock::new();
    *MEMORY.get_or_init(|| {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        groups.lines().filter_map(|group| group_memory(group, Path::new("/sys/fs/cgroup"))).min()
    })
}

/// What a control group, written `4:memory:/a/b`, and those above it allow at most.
fn group_memory(group: &str, root: &Path) -> Option<usize> {
    let mut parts = group.splitn(3, ':').skip(1);
    let (controllers, path) = parts.next().zip(parts.next())?;
    let (root, file) = match controllers {
        "" => (root.to_path_buf(), "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let inside = root.join(path.trim_start_matches('/'));
    let groups = inside.ancestors().take_while(|group| group.starts_with(&root));
    let allowed = |group: &Path| std::fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
    // What is not bounded is told as "max", or as the largest number of whole pages.
    groups.filter_map(allowed).min().filter(|bytes| *bytes < usize::MAX >> 2)
}

/// This process's memory as a file of the system, which refuses what is no memory.
pub struct OwnMemory(File);

impl OwnMemory {
    /// `None` where the system has no such file.
    pub fn open() -> Option<OwnMemory> {
        File::open("/proc/self/mem").ok().map(OwnMemory)
    }

    /// Reads from an address on; `None` where there is not so much.
    pub fn read(&self, address: u64, out: &mut [u8]) -> Option<()> {
        self.0.read_exact_at(out, address).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_control_group_allows_no_more_than_those_above_it() {
        let root = std::env::temp_dir().join(format!("geoquilt-cgroup-{}", std::process::id()));
        for (path, bytes) in [
            ("a/memory.max", "1000\n"),
            ("a/b/memory.max", "max\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/c/memory.limit_in_bytes", "70\n"),
        ] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), bytes).unwrap();
        }
        let of = |group| super::group_memory(group, &root);
        assert_eq!(
            [of("0::/a/b"), of("0::/a"), of("0::/"), of("0::/elsewhere")],
            [Some(1000), Some(1000), None, None]
        );
        assert_eq!(
            [of("4:cpu,memory:/c"), of("4:memory:/"), of("3:cpu:/a"), of("")],
            [Some(70), None, None, None]
        );
        std::fs::remove_dir_all(root).unwrap();
        assert_eq!(super::group_memory("0::/../a", Path::new("/nonexistent")), None);
    }

    #[test]
    fn memory_that_is_there_is_read_and_other_is_refused() {
        let Some(memory) = super::OwnMemory::open() else { return };
        let (own, mut read) = ([7u8; 4], [0; 4]);
        assert_eq!(memory.read(own.as_ptr() as u64, &mut read), Some(()));
        assert_eq!((read, memory.read(8, &mut read)), (own, None));
    }

    #[test]
    fn a_process_may_have_some_files_open() {
        assert!(super::most_open() >= 16);
    }
}
