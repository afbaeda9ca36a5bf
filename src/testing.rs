//! What tests of every room stand on: rasters in one line, values drawn by seed, damage, and folders that go with
//! their test.

// Every room uses it, in tests alone.
#![allow(unreachable_pub)]

pub mod counted;
pub mod damage;
pub mod draw;
pub mod memory;
pub mod raster_spec;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use counted::Counted;
pub use damage::damaged;
pub use draw::Draw;
pub use raster_spec::RasterSpec;

/// A folder of one test, which goes when it does.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("geoquilt-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_string()
    }

    /// Writes a file, and the folders that it lies in, and gives its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a raster by its line, and gives its path.
    pub fn raster(&self, name: &str, spec: &str) -> String {
        self.write(name, &RasterSpec::parse(spec).tiff())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
