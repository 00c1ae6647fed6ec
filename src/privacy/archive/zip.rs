//! A ZIP archive as a stream: what was written is never touched again (APPNOTE.TXT 6.3.10, with the extensions for large
//! archives).
//!
//! Lengths and checksums stand behind each file's bytes (4.3.9) and once more in the directory at the end, which is all that
//! is kept in memory.

use std::io::Write;

use crc32fast::Hasher;
use flate2::{Compression, write::DeflateEncoder};

use crate::kernel::Time;

/// Why a file cannot be packed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZipError {
    /// A single file of 4 GiB and more is not written.
    #[error("{0} is too long for an archive")]
    TooLong(String),
    /// The compression failed: a defect.
    #[error("a file cannot be packed: {0}")]
    Pack(#[from] std::io::Error),
}

/// Deflated, lengths behind the bytes, names in UTF-8 (4.4.4, 4.4.5).
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATED: u16 = 8;
/// What programs must understand (4.4.3): 2.0, and 4.5 for places beyond 4 GiB.
const PLAIN: u16 = 20;
const LARGE: u16 = 45;
/// Made on a Unix, so that the mode beside it counts: a file that its owner reads and writes.
const MADE_BY: u16 = 3 << 8 | LARGE;
const MODE: u32 = 0o100_600 << 16;

/// A file in the archive.
#[derive(Debug)]
struct Entry {
    name: String,
    crc: u32,
    packed: u32,
    size: u32,
    at: u64,
}

struct Open {
    name: String,
    at: u64,
    crc: Hasher,
    size: u64,
    packed: u64,
    encoder: DeflateEncoder<Vec<u8>>,
}

/// An archive in the making. Every call gives the bytes that come next.
pub(super) struct Zip {
    written: u64,
    entries: Vec<Entry>,
    open: Option<Open>,
    date: u16,
    time: u16,
}

impl Zip {
    pub(super) fn new(now: Time) -> Self {
        let (date, time) = dos(now);
        Self { written: 0, entries: Vec::new(), open: None, date, time }
    }

    fn took(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.written += bytes.len() as u64;
        bytes
    }

    /// Begins a file; the one before must have ended.
    pub(super) fn begin(&mut self, name: &str) -> Vec<u8> {
        debug_assert!(self.open.is_none(), "one file at a time");
        // A length that a reader must know is of two bytes.
        let name: String = name.chars().take(200).collect();
        let mut head = Vec::with_capacity(30 + name.len());
        put32(&mut head, 0x0403_4b50);
        put16(&mut head, PLAIN);
        put16(&mut head, FLAGS);
        put16(&mut head, DEFLATED);
        put16(&mut head, self.time);
        put16(&mut head, self.date);
        head.extend([0; 12]);
        put16(&mut head, short(name.len()));
        put16(&mut head, 0);
        head.extend(name.as_bytes());
        let encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        self.open = Some(Open { name, at: self.written, crc: Hasher::new(), size: 0, packed: 0, encoder });
        self.took(head)
    }

    /// The bytes of the file that was begun.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ZipError> {
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        open.crc.update(bytes);
        open.size += bytes.len() as u64;
        open.encoder.write_all(bytes)?;
        let packed = std::mem::take(open.encoder.get_mut());
        open.packed += packed.len() as u64;
        Ok(self.took(packed))
    }

    /// Ends the file that was begun.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, ZipError> {
        let Some(Open { name, at, crc, size, mut packed, encoder }) = self.open.take() else { return Ok(Vec::new()) };
        let mut bytes = encoder.finish()?;
        packed += bytes.len() as u64;
        let (Ok(size), Ok(packed)) = (u32::try_from(size), u32::try_from(packed)) else {
            return Err(ZipError::TooLong(name));
        };
        let crc = crc.finalize();
        put32(&mut bytes, 0x0807_4b50);
        put32(&mut bytes, crc);
        put32(&mut bytes, packed);
        put32(&mut bytes, size);
        self.entries.push(Entry { name, crc, packed, size, at });
        Ok(self.took(bytes))
    }

    /// The directory; then the archive is whole.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let start = self.written;
        let mut end = Vec::new();
        for entry in &self.entries {
            self.listed(entry, &mut end);
        }
        let (count, length) = (self.entries.len() as u64, end.len() as u64);
        if count >= u64::from(u16::MAX) || start >= u64::from(u32::MAX) || length >= u64::from(u32::MAX) {
            self.written += length;
            large_end(&mut end, (count, length, start), self.written);
        }
        put32(&mut end, 0x0605_4b50);
        put32(&mut end, 0);
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        put16(&mut end, count);
        put16(&mut end, count);
        put32(&mut end, u32::try_from(length).unwrap_or(u32::MAX));
        put32(&mut end, u32::try_from(start).unwrap_or(u32::MAX));
        put16(&mut end, 0);
        end
    }

    /// A line of the directory (4.3.12).
    fn listed(&self, entry: &Entry, out: &mut Vec<u8>) {
        let near = u32::try_from(entry.at).ok().filter(|at| *at < u32::MAX);
        put32(out, 0x0201_4b50);
        put16(out, MADE_BY);
        put16(out, if near.is_some() { PLAIN } else { LARGE });
        put16(out, FLAGS);
        put16(out, DEFLATED);
        put16(out, self.time);
        put16(out, self.date);
        put32(out, entry.crc);
        put32(out, entry.packed);
        put32(out, entry.size);
        put16(out, short(entry.name.len()));
        put16(out, if near.is_some() { 0 } else { 12 });
        out.extend([0; 6]);
        put32(out, MODE);
        put32(out, near.unwrap_or(u32::MAX));
        out.extend(entry.name.as_bytes());
        if near.is_none() {
            put16(out, 1);
            put16(out, 8);
            put64(out, entry.at);
        }
    }
}

/// The end of a large archive, and where it is (4.3.14, 4.3.15).
fn large_end(out: &mut Vec<u8>, (count, length, start): (u64, u64, u64), here: u64) {
    put32(out, 0x0606_4b50);
    put64(out, 44);
    put16(out, MADE_BY);
    put16(out, LARGE);
    out.extend([0; 8]);
    put64(out, count);
    put64(out, count);
    put64(out, length);
    put64(out, start);
    put32(out, 0x0706_4b50);
    put32(out, 0);
    put64(out, here);
    put32(out, 1);
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

/// A date and a time as MS-DOS had them: from 1980, every other second.
fn dos(now: Time) -> (u16, u16) {
    let text = now.to_datetime().format("%Y %m %d %H %M %S").to_string();
    let mut parts = text.split(' ').map(|part| part.parse::<u16>().unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default();
    let date = part().saturating_sub(1980).min(127) << 9 | part() << 5 | part();
    let time = part() << 11 | part() << 5 | (part() / 2);
    (date, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_as_ms_dos_had_it() {
        let noon: Time = "2026-03-01T12:34:57Z".parse().expect("a time");
        assert_eq!(dos(noon), ((2026 - 1980) * 512 + 3 * 32 + 1, 12 * 2048 + 34 * 32 + 57 / 2));
        assert_eq!(dos(Time::from_micros(0)).0 >> 9, 0);
    }

    #[test]
    fn an_archive_says_at_its_end_what_is_in_it() {
        let mut zip = Zip::new(Time::from_micros(0));
        let mut all = zip.begin("é.txt");
        all.extend(zip.data(b"hello, ").expect("packed"));
        all.extend(zip.data(b"world").expect("packed"));
        all.extend(zip.end().expect("ended"));
        let length = all.len();
        all.extend(zip.finish());
        let end = &all[all.len() - 22..];
        assert_eq!(&end[..4], b"PK\x05\x06");
        assert_eq!(u16::from_le_bytes([end[10], end[11]]), 1);
        assert_eq!(u32::from_le_bytes([end[16], end[17], end[18], end[19]]), u32::try_from(length).expect("short"));
        let crc = &all[length..][16..20];
        assert_eq!(crc, crc32fast::hash(b"hello, world").to_le_bytes());
    }

    #[test]
    fn what_lies_far_behind_is_still_found() {
        let far = u64::from(u32::MAX) + 7;
        let mut zip = Zip::new(Time::from_micros(0));
        zip.written = far;
        let head = zip.begin("a");
        zip.end().expect("ended");
        let (start, end) = (zip.written, zip.finish());
        let place = |at: usize| u64::from_le_bytes(end[at..at + 8].try_into().expect("eight bytes"));
        // 46 bytes of the line, one of the name, four of the extension's head.
        assert_eq!((place(46 + 1 + 4), head.len()), (far, 31));
        let large = 46 + 1 + 12;
        assert_eq!(&end[large..large + 4], b"PK\x06\x06");
        assert_eq!((place(large + 24), place(large + 48)), (1, start));
        assert_eq!(place(large + 56 + 8), start + large as u64);
    }
}
