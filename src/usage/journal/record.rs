//! The frame around a record: `length u32 · crc u32 · payload`, little endian.
//!
//! The checksum covers the length and the payload and starts from the checksum of the segment's header, so a record is
//! valid in the file it was written to and nowhere else, and a stretch of zeros is no record.

use crc32fast::Hasher;

/// Bytes before the payload.
pub(crate) const FRAME: usize = 8;

/// The longest payload; whatever claims to be longer is damage.
pub(crate) const MAX_PAYLOAD: usize = 64 * 1024;

/// Appends one frame to `buffer`; `payload` writes its content. The checksum is the journal's to fill in, which knows the
/// segment.
pub(crate) fn frame<T>(buffer: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME]);
    let result = payload(buffer);
    let length = u32::try_from(buffer.len() - start - FRAME).unwrap_or(u32::MAX);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    result
}

/// Fills in the checksums of frames that [`frame`] made, for the segment whose header's checksum is `seed`.
pub(super) fn stamp(mut frames: &mut [u8], seed: u32) {
    while let Some((length, rest)) = std::mem::take(&mut frames).split_first_chunk_mut::<4>() {
        let size = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some((frame, after)) = rest.split_at_mut_checked(size.saturating_add(4)) else { return };
        let crc = checksum(seed, *length, &frame[4..]);
        frame[..4].copy_from_slice(&crc.to_le_bytes());
        frames = after;
    }
}

/// The checksum of a record in the segment whose header's checksum is `seed`.
pub(crate) fn checksum(seed: u32, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// A frame's payload and the frame's size.
pub(crate) struct Payload<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) framed: u64,
}

/// The payloads in a buffer that [`frame`] filled.
pub(crate) fn payloads(mut frames: &[u8]) -> impl Iterator<Item = Payload<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = frames.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let bytes = rest.get(4..4 + length)?;
        frames = &rest[4 + length..];
        Some(Payload { bytes, framed: (FRAME + length) as u64 })
    })
}
