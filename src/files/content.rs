//! What a file holds, as one short name: SHA-256 over its bytes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::error::{Cause, Error, Result};
use crate::files::door;
use crate::files::location::{Address, Location};
use crate::files::reader::Reader;
use crate::files::sight::{FileKind, Sight, lower};
use crate::workers;

/// So many bytes are read at once.
const PIECE: usize = 1 << 20;
/// Files of a folder that are listed at most.
const MOST_FILES: usize = 10_000_000;

/// The SHA-256 of a file's bytes, in hexadecimal, as `sha256sum` prints it. That of a folder that is one file (a Zarr store, a
/// file geodatabase) is the one of the lines that `sha256sum` prints for its files, in the order of their names.
///
/// # Errors
/// What does not open or is not a file, and a Zarr store behind a URL, which cannot be listed.
pub fn content_hash(path: &str) -> Result<String> {
    let sight = Sight::at(path)?.container();
    match (sight.kind(), sight.location().address()) {
        (FileKind::File, _) => hash_of(sight.location()),
        (_, Address::Local(folder)) => folder_hash(folder, path),
        (_, Address::Url(_)) => Err(Error::unreadable(
            path,
            "a store behind a URL cannot be listed, so that its content is not known",
        )),
    }
}

fn hash_of(location: &Location) -> Result<String> {
    let failed = |error: std::io::Error| {
        Error::unreadable(location.text(), Cause::worded(lower(&error.to_string()), error))
    };
    let reader = Reader::open(location).map_err(failed)?;
    let size = reader.size().map_err(failed)?;
    let mut hash = Sha256::default();
    let mut piece = vec![0; PIECE.min(size as usize)];
    let mut at = 0;
    while at < size {
        workers::go_on()?;
        let length = (size - at).min(PIECE as u64) as usize;
        let Some(piece) = piece.get_mut(..length) else { break };
        reader.read_exact_at(piece, at).map_err(failed)?;
        hash.add(piece);
        at += length as u64;
    }
    // What grew meanwhile would have the name of what it was.
    if !location.is_url() && reader.read_exact_at(&mut [0], size).is_ok() {
        let reason = format!("it has more than the {size} bytes that it had when it was opened");
        return Err(Error::unreadable(location.text(), reason));
    }
    Ok(hash.end())
}

fn folder_hash(folder: &Path, named: &str) -> Result<String> {
    let failed =
        |error: std::io::Error| Error::unreadable(named, Cause::worded(lower(&error.to_string()), error));
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    let mut folders = vec![(String::new(), folder.to_path_buf())];
    while let Some((prefix, folder)) = folders.pop() {
        workers::go_on()?;
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // A link may lead back up, so that folders behind links are left out.
            match entry.file_type().map_err(failed)? {
                kind if kind.is_dir() => folders.push((format!("{name}/"), entry.path())),
                _ if entry.path().is_file() => files.push((name, entry.path())),
                _ => {}
            }
            if files.len() > MOST_FILES {
                return Err(Error::unreadable(named, format!("it holds more than {MOST_FILES} files")));
            }
        }
    }
    files.sort();
    let mut hash = Sha256::default();
    for (name, path) in files {
        door::permit(&path, named)?;
        let one = hash_of(&Location::plain(&path.to_string_lossy()))?;
        hash.add(format!("{one}  {name}\n").as_bytes());
    }
    Ok(hash.end())
}

/// FIPS 180-4: the square roots of the first eight primes, and the cube roots of the first 64, behind the point.
const START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// SHA-256 under way.
struct Sha256 {
    state: [u32; 8],
    rest: Vec<u8>,
    length: u64,
}

impl Default for Sha256 {
    fn default() -> Sha256 {
        Sha256 { state: START, rest: Vec::new(), length: 0 }
    }
}

impl Sha256 {
    fn add(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if !self.rest.is_empty() {
            let (more, after) = bytes.split_at(bytes.len().min(64 - self.rest.len()));
            self.rest.extend_from_slice(more);
            bytes = after;
            if self.rest.len() < 64 {
                return;
            }
            let rest = std::mem::take(&mut self.rest);
            rest.as_chunks::<64>().0.iter().for_each(|block| compress(&mut self.state, block));
        }
        let (blocks, rest) = bytes.as_chunks::<64>();
        blocks.iter().for_each(|block| compress(&mut self.state, block));
        self.rest.extend_from_slice(rest);
    }

    fn end(mut self) -> String {
        let bits = self.length.wrapping_mul(8);
        let zeros = (119 - self.rest.len()) % 64;
        self.add(&[0x80]);
        self.add(&vec![0; zeros]);
        self.add(&bits.to_be_bytes());
        self.state.iter().fold(String::with_capacity(64), |mut text, word| {
            let _ = write!(text, "{word:08x}");
            text
        })
    }
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = [0u32; 64];
    let (chunks, _) = block.as_chunks::<4>();
    words.iter_mut().zip(chunks).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
    for i in 16..64 {
        let (far, near) = (words[i - 15], words[i - 2]);
        let a = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
        let b = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
        words[i] = words[i - 16].wrapping_add(a).wrapping_add(words[i - 7]).wrapping_add(b);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (round, word) in ROUNDS.iter().zip(words) {
        let choice = (e & f) ^ (!e & g);
        let turned = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let one = h.wrapping_add(turned).wrapping_add(choice).wrapping_add(*round).wrapping_add(word);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let two = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(one));
        (d, c, b, a) = (c, b, a, one.wrapping_add(two));
    }
    for (sum, word) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *sum = sum.wrapping_add(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn of(bytes: &[u8]) -> String {
        let mut hash = Sha256::default();
        hash.add(bytes);
        hash.end()
    }

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let two = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(of(two), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        assert_eq!(
            of(&vec![b'a'; 1_000_000]),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let bytes: Vec<u8> = (0..300u32).map(|i| (i * 7) as u8).collect();
        for length in 0..bytes.len() {
            for step in [1, 3, 63, 64, 65, 128] {
                let mut hash = Sha256::default();
                bytes[..length].chunks(step).for_each(|piece| hash.add(piece));
                assert_eq!(hash.end(), of(&bytes[..length]), "{length} {step}");
            }
        }
    }

    #[test]
    fn a_file_is_its_bytes_whatever_its_name() {
        let folder = Folder::new();
        let (a, b) = (folder.write("a.bin", b"abc"), folder.write("b.bin", b"abc"));
        assert_eq!(content_hash(&a).unwrap(), content_hash(&b).unwrap());
        assert_eq!(content_hash(&a).unwrap(), of(b"abc"));
        assert!(content_hash(&folder.path("c.bin")).is_err());
    }
}
