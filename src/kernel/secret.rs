//! Secrets in the configuration: read, compared in constant time, and never shown.

use std::{fmt, str::FromStr};

use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::seal::{same, to_hex};

/// What stands in logs and listings for a secret.
pub const REDACTED: &str = "<redacted>";

/// A value that `Debug` and `Serialize` do not show.
#[derive(Clone, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that uses it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// What was never set is no secret: it is shown, so that a shown configuration means what the original means.
impl<T: Serialize + Default + PartialEq> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == T::default() { self.0.serialize(serializer) } else { serializer.serialize_str(REDACTED) }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// A key of 32 bytes: the root of everything that is sealed or hashed with a key.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

/// Why a text is no key. It does not repeat the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseKeyError {
    /// Neither encoding of 32 bytes.
    #[error(
        "not a key: write 32 bytes in base64 (44 characters) or hexadecimal (64), as `openssl rand -base64 32` does"
    )]
    Encoding,
    /// All bytes are the same: a placeholder.
    #[error("not a key but a placeholder: take 32 random bytes, as `openssl rand -base64 32` prints")]
    Placeholder,
}

impl SecretKey {
    /// A key from the operating system's randomness.
    pub fn random() -> Result<Self, RandomError> {
        random_bytes().map(Self)
    }

    /// The key made of `bytes`.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, for the keyring.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The key in hexadecimal, to be stored where only its owner reads.
    #[must_use]
    pub fn to_hex(&self) -> Secret<String> {
        Secret::new(to_hex(&self.0))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for SecretKey {}

impl FromStr for SecretKey {
    type Err = ParseKeyError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = if text.len() == 64 { decode_hex(text) } else { decode_base64(text) };
        let key: [u8; 32] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(ParseKeyError::Encoding)?;
        if key.iter().all(|byte| *byte == key[0]) { Err(ParseKeyError::Placeholder) } else { Ok(Self(key)) }
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.trim().parse().map_err(de::Error::custom)
    }
}

impl Serialize for SecretKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    Some(digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// RFC 4648 base64 of 32 bytes, standard or URL-safe alphabet, with or without its padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer, mut bits) = (Vec::with_capacity(32), 0_u32, 0);
    for byte in text.strip_suffix('=').unwrap_or(text).bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(digit)) & 0x3fff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
    }
    // Bits that are left over must be zero, so that one key has one text.
    (bits < 6 && buffer & ((1 << bits) - 1) == 0).then_some(bytes)
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct RandomError;

fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(std::array::from_fn(|i| byte.wrapping_add(u8::try_from(i).unwrap_or(0))))
    }

    #[test]
    fn a_secret_shows_in_no_output() {
        let secret = Secret::new("hunter2".to_owned());
        assert!(!format!("{secret:?}{:?}", key(1)).contains("hunter2"));
        assert_eq!(serde_json::to_string(&(secret, key(1))).expect("serialises"), r#"["<redacted>","<redacted>"]"#);
    }

    #[test]
    fn a_key_is_read_from_base64_and_hexadecimal() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        for text in [hex, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]
        {
            assert_eq!(text.parse::<SecretKey>().expect("a key").to_hex().expose(), hex);
        }
    }

    #[test]
    fn other_texts_are_no_keys_and_are_not_repeated() {
        for text in
            ["", "hunter2", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "€€€", &"g".repeat(64), &"é".repeat(32)]
        {
            let error = text.parse::<SecretKey>().expect_err("no key");
            assert_eq!(error, ParseKeyError::Encoding, "{text}");
        }
        assert_eq!("00".repeat(32).parse::<SecretKey>(), Err(ParseKeyError::Placeholder));
        assert!(!ParseKeyError::Encoding.to_string().contains("hunter2"));
    }

    proptest::proptest! {
        #[test]
        fn every_key_survives_its_hexadecimal_text(bytes: [u8; 32]) {
            let key = SecretKey(bytes);
            proptest::prop_assume!(bytes.iter().any(|byte| *byte != bytes[0]));
            proptest::prop_assert_eq!(key.to_hex().expose().parse(), Ok(key));
        }
    }
}
