//! The text of a licence key: `MINTREU-{TYPE}-{VENDOR}-{YYYYMMDD}-{RANDOM}-{CHECKSUM}`.
//!
//! Promise: every key is read however people type it (any case, with or without hyphens and spaces, O for 0, I or L
//! for 1, U for V), and every typing error is noticed without asking anybody.
//!
//! All parts are written in Crockford's base 32, whose 32 characters leave out I, L, O and U.
//!
//! | part | characters | what |
//! | --- | --- | --- |
//! | TYPE | 3 | `REG`, `EXT` or `DEV` |
//! | VENDOR | 6 | names the vendor: the first 30 bits of a hash of the developer's id |
//! | YYYYMMDD | 8 | the day of issue, UTC |
//! | RANDOM | 28 | 100 random bits, then 40 bits of the server's keyed hash over all that stands before |
//! | CHECKSUM | 6 | over all of it, see [`check_typing`] |
//!
//! The random bits alone keep a key from being guessed; the keyed hash keeps invented keys away from the database, and
//! tells which of the server's root keys it was made under.

use crate::catalog::LicenseType;

/// What every key begins with.
pub(super) const PREFIX: &str = "MINTREU";

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How the prefix reads once look-alikes are taken for each other.
const PREFIX_READ: &[u8; 7] = b"M1NTREV";
const TYPE: usize = 3;
const VENDOR: usize = 6;
const DAY: usize = 8;
const RANDOM: usize = 20;
const MAC: usize = 8;
const CHECKSUM: usize = 6;
/// The characters that the server's hash covers.
const SIGNED: usize = TYPE + VENDOR + DAY + RANDOM;
const BODY: usize = SIGNED + MAC;
const ALL: usize = BODY + CHECKSUM;
/// What nobody types as a key is not looked at any further.
const LONGEST_INPUT: usize = 160;

/// Why a text is no licence key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypingError {
    /// It does not begin with `MINTREU`.
    #[error("a licence key begins with {PREFIX}")]
    Prefix,
    /// A character that no key has.
    #[error("a licence key has letters, digits and hyphens only")]
    Character,
    /// Too short or too long.
    #[error("the licence key is not complete, or too long")]
    Length,
    /// The checksum does not fit.
    #[error("the licence key has a typing error")]
    Checksum,
}

/// A key without typing errors, as 51 characters without prefix and hyphens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Typed([u8; ALL]);

/// A key's secret part must not show.
impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl Typed {
    /// The key of these parts, in which `mac` is the beginning of the server's hash over [`Typed::signed`].
    pub(super) fn new(signed: [u8; SIGNED], mac: [u8; 5]) -> Self {
        let mut all = [0; ALL];
        all[..SIGNED].copy_from_slice(&signed);
        all[SIGNED..BODY].copy_from_slice(&encode::<MAC>(&mac));
        let sum = checksum(&all[..BODY]);
        all[BODY..].copy_from_slice(&sum);
        Self(all)
    }

    /// What the server's hash covers.
    pub(super) fn signed(&self) -> &[u8] {
        &self.0[..SIGNED]
    }

    /// Whether its hash begins with `mac`, in constant time.
    pub(super) fn has_mac(&self, mac: [u8; 5]) -> bool {
        crate::kernel::seal::same(&self.0[SIGNED..BODY], &encode::<MAC>(&mac))
    }

    /// The last characters of its random part: enough for people to tell their keys apart.
    #[must_use]
    pub fn hint(&self) -> String {
        text(&self.0[ALL - 4..]).to_owned()
    }
}

impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(PREFIX)?;
        let mut rest = self.0.as_slice();
        for length in [TYPE, VENDOR, DAY, RANDOM + MAC, CHECKSUM] {
            let (part, after) = rest.split_at(length);
            write!(f, "-{}", text(part))?;
            rest = after;
        }
        Ok(())
    }
}

/// Characters of the alphabet are ASCII.
fn text(part: &[u8]) -> &str {
    std::str::from_utf8(part).unwrap_or_default()
}

/// The signed part of a new key.
pub(super) fn signed(license_type: LicenseType, vendor: [u8; 4], day: &str, random: [u8; 13]) -> [u8; SIGNED] {
    let mut signed = [b'0'; SIGNED];
    signed[..TYPE].copy_from_slice(type_code(license_type));
    signed[TYPE..TYPE + VENDOR].copy_from_slice(&encode::<VENDOR>(&vendor));
    for (slot, digit) in signed[TYPE + VENDOR..TYPE + VENDOR + DAY].iter_mut().zip(day.bytes()) {
        *slot = digit;
    }
    signed[TYPE + VENDOR + DAY..].copy_from_slice(&encode::<RANDOM>(&random));
    signed
}

const fn type_code(license_type: LicenseType) -> &'static [u8; TYPE] {
    match license_type {
        LicenseType::Regular => b"REG",
        LicenseType::Extended => b"EXT",
        LicenseType::Developer => b"DEV",
    }
}

/// The first `5 N` bits of `bytes`, five a character.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [ALPHABET[0]; N];
    let bit = |place: usize| bytes.get(place / 8).is_some_and(|byte| byte >> (7 - place % 8) & 1 == 1);
    for (index, slot) in text.iter_mut().enumerate() {
        let value = (0..5).fold(0, |value, step| value << 1 | usize::from(bit(5 * index + step)));
        *slot = ALPHABET[value];
    }
    text
}

/// The value of a character, look-alikes taken for each other.
const fn value(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        b'U' => b'V',
        other => other,
    };
    let mut index: u8 = 0;
    while index < 32 {
        if ALPHABET[index as usize] == byte {
            return Some(index);
        }
        index += 1;
    }
    None
}

const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        if let Some(value) = value(byte) {
            table[byte as usize] = value;
        }
        byte += 1;
    }
    table
}

const NONE: u8 = 0xff;
const VALUES: [u8; 256] = values();

/// The six characters that complete `body`.
fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let sum = body.iter().map(|byte| VALUES[usize::from(*byte)]).chain([0; CHECKSUM]).fold(1, remainder) ^ SUM;
    std::array::from_fn(|place| ALPHABET[usize::try_from(sum >> (5 * (CHECKSUM - 1 - place)) & 31).unwrap_or(0)])
}

/// One step of the division by the generator of the BCH code of BIP 173, over GF(32); with the constant of BIP 350.
fn remainder(sum: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
    (0..5).filter(|bit| top >> bit & 1 == 1).fold(shifted, |sum, bit| sum ^ GENERATOR[bit])
}

const SUM: u32 = 0x2bc8_30a3;

/// Reads a key as people type it, and tells typing errors; needs no server and no secret.
///
/// The checksum is the BCH code that Bitcoin's addresses use (BIP 173 with the constant of BIP 350), over the values of
/// the characters from TYPE to CHECKSUM: up to four wrong characters, wherever they are, are always noticed, and so is
/// every transposition; of all other errors one in 2^30 is not.
pub fn check_typing(text: &str) -> Result<Typed, TypingError> {
    if text.len() > LONGEST_INPUT {
        return Err(TypingError::Length);
    }
    let mut read = [0_u8; PREFIX_READ.len() + ALL];
    let mut length = 0;
    for character in text.chars() {
        if is_gap(character) {
            continue;
        }
        let value = u8::try_from(character).ok().map_or(NONE, |byte| VALUES[usize::from(byte)]);
        if value == NONE {
            return Err(TypingError::Character);
        }
        *read.get_mut(length).ok_or(TypingError::Length)? = ALPHABET[usize::from(value)];
        length += 1;
    }
    let (prefix, rest) = read.split_at(PREFIX_READ.len());
    if prefix != PREFIX_READ {
        return Err(TypingError::Prefix);
    }
    if length != read.len() {
        return Err(TypingError::Length);
    }
    let sum = rest.iter().map(|byte| VALUES[usize::from(*byte)]).fold(1, remainder);
    let mut all = [0; ALL];
    all.copy_from_slice(rest);
    if sum == SUM { Ok(Typed(all)) } else { Err(TypingError::Checksum) }
}

/// Hyphens, spaces, and what word processors make of them.
const fn is_gap(character: char) -> bool {
    matches!(character, '-' | ' ' | '\t' | '\r' | '\n' | '_' | '\u{a0}' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(random: [u8; 13], mac: [u8; 5]) -> String {
        Typed::new(signed(LicenseType::Extended, [1, 2, 3, 4], "20260301", random), mac).to_string()
    }

    #[test]
    fn a_key_has_its_six_parts() {
        let key = key([7; 13], [9; 5]);
        let lengths: Vec<_> = key.split('-').map(str::len).collect();
        assert_eq!(lengths, [7, 3, 6, 8, 28, 6], "{key}");
        assert!(key.starts_with("MINTREU-EXT-"), "{key}");
        assert_eq!(key.split('-').nth(3), Some("20260301"));
        assert_eq!(check_typing(&key).map(|typed| typed.to_string()), Ok(key));
    }

    #[test]
    fn other_texts_are_refused() {
        let key = key([7; 13], [9; 5]);
        for (text, error) in [
            ("", TypingError::Prefix),
            ("MINTREU", TypingError::Length),
            ("hunter2", TypingError::Prefix),
            (&key[..key.len() - 1], TypingError::Length),
            (&format!("{key}0"), TypingError::Length),
            (&format!("{key}é"), TypingError::Character),
            (&format!("{key}\0"), TypingError::Character),
            (&"M".repeat(1 << 20), TypingError::Length),
            (&key.replace("MINTREU", "MINTREX"), TypingError::Prefix),
        ] {
            assert_eq!(check_typing(text), Err(error), "{text:.80}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_typed_it_is_read(random: [u8; 13], mac: [u8; 5], style: u64) {
            let key = key(random, mac);
            let alike = |c: char| match c { '0' => 'o', '1' => 'l', 'V' => 'u', other => other };
            let typed: String = key.chars().enumerate().flat_map(|(place, c)| {
                let bit = |n: usize| style >> ((place * 3 + n) % 64) & 1 == 1;
                let c = if bit(0) { alike(c) } else { c };
                let c = if bit(1) { c.to_ascii_lowercase() } else { c };
                let gap = bit(2).then_some(' ');
                (c != '-' || bit(0)).then_some(c).into_iter().chain(gap)
            }).collect();
            prop_assert_eq!(check_typing(&typed).map(|typed| typed.to_string()), Ok(key));
        }

        #[test]
        fn every_wrong_character_and_every_transposition_is_noticed(random: [u8; 13], mac: [u8; 5]) {
            let key = key(random, mac).replace('-', "");
            let bytes = key.as_bytes();
            for place in 7..bytes.len() {
                for other in ALPHABET.iter().filter(|other| **other != bytes[place]) {
                    let mut wrong = bytes.to_vec();
                    wrong[place] = *other;
                    prop_assert_eq!(check_typing(text(&wrong)), Err(TypingError::Checksum));
                }
                for distance in 1..3 {
                    if place + distance < bytes.len() && bytes[place] != bytes[place + distance] {
                        let mut wrong = bytes.to_vec();
                        wrong.swap(place, place + distance);
                        prop_assert_eq!(check_typing(text(&wrong)), Err(TypingError::Checksum));
                    }
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = check_typing(&text);
            let _ = check_typing(&format!("MINTREU{text}"));
        }
    }
}
