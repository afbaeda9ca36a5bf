//! Small rasters for tests: GeoTIFFs whose every pixel tells its own place.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::window::Window;

/// A raster on disk for as long as this is held: one band of uint16 in square tiles, with nodata 0 at every eleventh
/// pixel, and no place on the map.
pub struct TestRaster {
    path: PathBuf,
    height: usize,
    width: usize,
}

/// Writes a raster in tiles of `tile` pixels a side, a multiple of 16.
pub fn raster(height: usize, width: usize, tile: usize) -> TestRaster {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("geoquilt-{}-{}.tif", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let raster = TestRaster { path: std::env::temp_dir().join(name), height, width };
    std::fs::write(&raster.path, raster.tiff(tile)).unwrap();
    raster
}

impl TestRaster {
    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Replaces the end of the file: its last tiles can be read no more.
    pub fn cut(&self, bytes: u64) {
        let file = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - bytes).unwrap();
    }

    /// The pixels of a window, 0 where there is none.
    pub fn window(&self, window: &Window) -> Vec<u16> {
        let rows = window.row_off..window.row_end();
        rows.flat_map(|row| (window.col_off..window.col_end()).map(move |col| self.pixel(row, col))).collect()
    }

    fn pixel(&self, row: i64, col: i64) -> u16 {
        let (height, width) = (self.height as i64, self.width as i64);
        let number = row * width + col;
        let is_there = (0..height).contains(&row) && (0..width).contains(&col) && number % 11 != 0;
        if is_there { (1 + number % 60_000) as u16 } else { 0 }
    }

    /// The whole file: little-endian, uncompressed.
    fn tiff(&self, tile: usize) -> Vec<u8> {
        const ASCII: u16 = 2;
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let (down, across) = (self.height.div_ceil(tile), self.width.div_ceil(tile));
        let (count, bytes) = (down * across, tile * tile * 2);
        let shorts = |n: usize| (n as u16).to_le_bytes().to_vec();
        let longs = |values: Vec<usize>| -> Vec<u8> {
            values.into_iter().flat_map(|value| (value as u32).to_le_bytes()).collect()
        };
        // The head, twelve tags, and what they point to.
        let first = 8 + 2 + 12 * 12 + 4 + 2 * 4 * count;
        let tags: [(u16, u16, Vec<u8>); 12] = [
            (256, SHORT, shorts(self.width)),
            (257, SHORT, shorts(self.height)),
            (258, SHORT, shorts(16)),
            (259, SHORT, shorts(1)),
            (262, SHORT, shorts(1)),
            (277, SHORT, shorts(1)),
            (322, SHORT, shorts(tile)),
            (323, SHORT, shorts(tile)),
            (324, LONG, longs((0..count).map(|i| first + i * bytes).collect())),
            (325, LONG, longs(vec![bytes; count])),
            (339, SHORT, shorts(1)),
            (42113, ASCII, b"0\0".to_vec()),
        ];
        let mut out = b"II\x2a\0\x08\0\0\0".to_vec();
        out.extend(shorts(tags.len()));
        let mut elsewhere: Vec<u8> = Vec::new();
        for (tag, kind, value) in &tags {
            let size = [0, 0, 1, 2, 4][usize::from(*kind)];
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(((value.len() / size) as u32).to_le_bytes());
            if value.len() <= 4 {
                out.extend(value.iter().copied().chain([0; 4]).take(4));
            } else {
                out.extend(((8 + 2 + 12 * 12 + 4 + elsewhere.len()) as u32).to_le_bytes());
                elsewhere.extend(value);
            }
        }
        out.extend([0; 4]);
        out.extend(elsewhere);
        out.resize(first, 0);
        for index in 0..count {
            let (row, col) = ((index / across * tile) as i64, (index % across * tile) as i64);
            for row in row..row + tile as i64 {
                for col in col..col + tile as i64 {
                    out.extend(self.pixel(row, col).to_le_bytes());
                }
            }
        }
        out
    }
}

impl Drop for TestRaster {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
