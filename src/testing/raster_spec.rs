//! A raster in one line of text, as WKT is a geometry in one: its grid, and its pixels as they are read.
//!
//! `3x4 uint8 EPSG:32632 10 nodata=0 | 1 2 3 4 / 5 6 7 8 / 9 10 11 12` is three rows and four columns of ten metres. In
//! front stand rows x columns, the type, the CRS (`-` for none) and the side of a pixel; then, as they are needed,
//! `at=x,y` (the upper left corner; `0,0`), `nodata=value`, `strip=rows` (the rows of a block; all) and `bands=together`
//! (pixel by pixel; apart). Each `|` begins a
//! band, each `/` a row. `count` stands for 0, 1, 2 and so on along the rows, `count+100` for 100, 101 and so on.
//! `spec_raster` of test/python/conftest.py reads the same lines.

use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Pixel};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterSpec {
    pub height: usize,
    pub width: usize,
    pub dtype: Dtype,
    /// The code of EPSG.
    pub crs: Option<u16>,
    pub resolution: f64,
    /// The upper left corner, (x, y).
    pub at: (f64, f64),
    pub nodata: Option<String>,
    /// Rows of a block.
    pub strip: usize,
    /// The bands of a pixel lie side by side.
    pub together: bool,
    /// `[row, col]` of each band.
    pub bands: Vec<Vec<f64>>,
}

impl RasterSpec {
    /// # Panics
    /// The line is not a raster: a fault of the test.
    pub fn parse(line: &str) -> RasterSpec {
        let (head, pixels) = line.split_once('|').expect("a | before the pixels");
        let mut words = head.split_whitespace();
        let mut word = |what: &str| words.next().unwrap_or_else(|| panic!("no {what} in {line}"));
        let (height, width) = word("size").split_once('x').expect("rows x columns");
        let (height, width) = (height.parse().unwrap(), width.parse().unwrap());
        let name = word("type");
        let dtype = DTYPES.iter().find(|(known, _)| *known == name).expect("a type").1;
        let crs = word("CRS").strip_prefix("EPSG:").map(|code| code.parse().unwrap());
        let resolution = word("resolution").parse().unwrap();
        let mut spec = RasterSpec {
            height,
            width,
            dtype,
            crs,
            resolution,
            at: (0.0, 0.0),
            nodata: None,
            strip: height,
            together: false,
            bands: Vec::new(),
        };
        for option in words {
            match option.split_once('=').expect("an option such as nodata=0") {
                ("at", corner) => {
                    let (x, y) = corner.split_once(',').expect("at=x,y");
                    spec.at = (x.parse().unwrap(), y.parse().unwrap());
                }
                ("nodata", value) => spec.nodata = Some(value.into()),
                ("strip", rows) => spec.strip = rows.parse().unwrap(),
                ("bands", order) => spec.together = order == "together",
                (other, _) => panic!("no option {other}"),
            }
        }
        spec.bands = pixels.split('|').map(|band| values(band.trim(), height, width)).collect();
        spec
    }

    /// The pixel of a band (from 0); `None` beside the raster.
    pub fn pixel(&self, band: usize, row: i64, col: i64) -> Option<f64> {
        let (row, col) = (usize::try_from(row).ok()?, usize::try_from(col).ok()?);
        let inside = row < self.height && col < self.width;
        inside.then(|| self.bands[band][row * self.width + col])
    }

    /// The raster as a TIFF, written after TIFF 6.0 and GeoTIFF 1.1 with nothing packed.
    pub fn tiff(&self) -> Vec<u8> {
        let count = self.bands.len();
        let shorts =
            |values: &[u16]| (3u16, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let longs =
            |values: &[u32]| (4u16, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let doubles =
            |values: &[f64]| (12u16, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let pixel = |i: usize| self.bands.iter().map(move |band| band[i]);
        let planes = match self.together {
            true => vec![(0..self.height * self.width).flat_map(pixel).collect()],
            false => self.bands.clone(),
        };
        let samples = if self.together { count } else { 1 };
        let strips =
            planes.iter().flat_map(|plane: &Vec<f64>| plane.chunks(self.strip * self.width * samples));
        let strips: Vec<Vec<u8>> = strips.map(|strip| self.encode(strip)).collect();
        let sizes: Vec<u32> = strips.iter().map(|strip| strip.len() as u32).collect();
        let format = match self.dtype {
            Dtype::Float32 | Dtype::Float64 => 3,
            Dtype::Int8 | Dtype::Int16 | Dtype::Int32 | Dtype::Int64 => 2,
            _ => 1,
        };
        // Filled in below, once it is known how long the directory is.
        let mut offsets = vec![0; strips.len()];
        let tags = |offsets: &[u32]| {
            let mut tags: Vec<(u16, TagValue)> = vec![
                (256, longs(&[self.width as u32])),
                (257, longs(&[self.height as u32])),
                (258, shorts(&vec![8 * self.dtype.size() as u16; count])),
                (259, shorts(&[1])),
                (262, shorts(&[1])),
                (273, longs(offsets)),
                (277, shorts(&[count as u16])),
                (278, longs(&[self.strip as u32])),
                (279, longs(&sizes)),
                (284, shorts(&[if count > 1 && !self.together { 2 } else { 1 }])),
            ];
            if count > 1 {
                tags.push((338, shorts(&vec![0; count - 1])));
            }
            tags.push((339, shorts(&vec![format; count])));
            tags.push((33550, doubles(&[self.resolution, self.resolution, 0.0])));
            tags.push((33922, doubles(&[0.0, 0.0, 0.0, self.at.0, self.at.1, 0.0])));
            if let Some(code) = self.crs {
                let (model, key) = if (4000..5000).contains(&code) { (2, 2048) } else { (1, 3072) };
                let keys = [1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 1, key, 0, 1, code];
                tags.push((34735, shorts(&keys)));
            }
            if let Some(value) = &self.nodata {
                let text = format!("{value}\0").into_bytes();
                tags.push((42113, (2, text.len(), text)));
            }
            directory(&tags)
        };
        let mut at = tags(&offsets).len() as u32;
        for (offset, size) in offsets.iter_mut().zip(&sizes) {
            *offset = at;
            at += size;
        }
        let mut out = tags(&offsets);
        out.extend(strips.into_iter().flatten());
        out
    }

    fn encode(&self, values: &[f64]) -> Vec<u8> {
        with_dtype!(self.dtype, T => values.iter().flat_map(|v| <T as Pixel>::of(*v).to_le_bytes()).collect())
    }
}

/// Type, count and bytes of a tag.
type TagValue = (u16, usize, Vec<u8>);

/// The head of a little-endian TIFF and its one directory, with all that its tags refer to but the pixels.
fn directory(tags: &[(u16, TagValue)]) -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend((tags.len() as u16).to_le_bytes());
    let after = out.len() + 12 * tags.len() + 4;
    let mut elsewhere: Vec<u8> = Vec::new();
    for (tag, (kind, count, value)) in tags {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend((*count as u32).to_le_bytes());
        if value.len() <= 4 {
            out.extend(value.iter().copied().chain([0; 4]).take(4));
        } else {
            out.extend(((after + elsewhere.len()) as u32).to_le_bytes());
            elsewhere.extend(value);
            // Values begin at even bytes.
            elsewhere.resize(elsewhere.len().next_multiple_of(2), 0);
        }
    }
    out.extend([0; 4]);
    out.extend(elsewhere);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn values(band: &str, height: usize, width: usize) -> Vec<f64> {
    if let Some(first) = band.strip_prefix("count") {
        let first: f64 = first.strip_prefix('+').map_or(0.0, |first| first.parse().unwrap());
        return (0..height * width).map(|i| first + i as f64).collect();
    }
    let rows: Vec<Vec<f64>> =
        band.split('/').map(|row| row.split_whitespace().map(|v| v.parse().unwrap()).collect()).collect();
    assert!(rows.len() == height && rows.iter().all(|row| row.len() == width), "{height}x{width}: {band}");
    rows.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;
    use crate::dtype::Pixels;
    use crate::files::Sight;
    use crate::format::gdal::Raster;
    use crate::testing::Folder;

    #[test]
    fn a_line_is_the_raster_that_gdal_reads() {
        let folder = Folder::new();
        let line = "3x4 int16 EPSG:32632 10 at=500000,4600000 nodata=-1 strip=2 | 1 2 3 4 / 5 6 7 8 / 9 10 11 -1 | count+100";
        let raster = Raster::open(&Sight::at(&folder.raster("a.tif", line)).unwrap(), None).unwrap();
        let header = raster.header();
        assert_eq!((header.height, header.width, header.block, header.bands.len()), (3, 4, (2, 4), 2));
        assert_eq!(header.crs.as_deref(), Some("EPSG:32632"));
        assert_eq!(header.transform, Some(Affine([500_000.0, 10.0, 0.0, 4.6e6, 0.0, -10.0])));
        assert_eq!(header.bands[1].nodata.map(|nodata| nodata.f64()), Some(-1.0));
        let both = [Pixels::Int16(vec![1, 2, 3, 4, 5, 6, 7, 8]), Pixels::Int16((100..108).collect())];
        assert_eq!(raster.read_block(&[1, 2], 0, 0).unwrap(), both);
        let together = folder.raster("b.tif", &line.replacen(" |", " bands=together |", 1));
        let together = Raster::open(&Sight::at(&together).unwrap(), None).unwrap();
        assert!(together.header().together && !header.together);
        assert_eq!(together.read_block(&[1, 2], 0, 0).unwrap(), both);
        let last = raster.read_block(&[1], 1, 0).unwrap();
        let Some(Pixels::Int16(last)) = last.first() else { panic!("another type") };
        assert_eq!(last[..4], [9, 10, 11, -1]);
    }

    #[test]
    fn every_type_is_written_as_gdal_knows_it() {
        let folder = Folder::new();
        for (name, dtype) in DTYPES {
            let path = folder.raster(&format!("{name}.tif"), &format!("2x2 {name} EPSG:4326 1 | 1 2 / 3 4"));
            let raster = Raster::open(&Sight::at(&path).unwrap(), None).unwrap();
            assert_eq!(raster.header().bands[0].dtype, dtype);
            let pixels = raster.read_block(&[1], 0, 0).unwrap().remove(0);
            let values: Vec<f64> =
                crate::dtype::with_pixels!(pixels, values => values.into_iter().map(Pixel::f64).collect());
            assert_eq!(values, [1.0, 2.0, 3.0, 4.0], "{name}");
        }
    }
}
