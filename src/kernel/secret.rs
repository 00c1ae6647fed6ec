//! Secrets: never shown, sealed at rest, compared in constant time.
//!
//! [`Secret`] keeps a value out of logs and listings. [`Keyring`] seals what the database must give back
//! (XChaCha20-Poly1305, the key's identifier in front, so that keys can be rotated) and makes keyed hashes of what it
//! must only recognise.

use std::{fmt, str::FromStr};

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use subtle::ConstantTimeEq;

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

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
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

    /// The key in hexadecimal, to be stored where only its owner reads.
    #[must_use]
    pub fn to_hex(&self) -> Secret<String> {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Secret::new(text)
    }

    /// A key for one purpose, from which neither this key nor that of another purpose can be computed.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(self.mac(&[b"mintreu key for ", purpose.as_bytes()]))
    }

    /// HMAC-SHA-256 of the parts, one after the other. Callers whose parts vary in length frame them first.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC pads a shorter key with zeros to the hash's block of 64 bytes; done here, no length can be wrong.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256>>::new(&block.into());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Names the key in what it sealed, without giving it away.
    fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.mac(&[b"mintreu key id"]);
        [a, b, c, d]
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

/// The keys in use: the first seals, all of them open.
#[derive(Debug, Clone)]
pub struct Keyring {
    first: SealingKey,
    older: Vec<SealingKey>,
}

#[derive(Clone)]
struct SealingKey {
    id: [u8; 4],
    key: SecretKey,
    cipher: XChaCha20Poly1305,
}

impl SealingKey {
    fn new(key: SecretKey) -> Self {
        let cipher = XChaCha20Poly1305::new(&Key::from(key.derive("sealing").0));
        Self { id: key.id(), key, cipher }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Why a sealed value cannot be opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// Too short, or sealed by another scheme.
    #[error("this is no sealed value")]
    Format,
    /// None of the configured keys has sealed it.
    #[error("sealed with a key that is not in secrets.key: add the older key to the end of the list")]
    UnknownKey,
    /// Altered, or sealed for another context.
    #[error("the sealed value was altered, or belongs to another row")]
    Altered,
}

/// The sealed form's first byte: which scheme.
const SCHEME: u8 = 1;
const NONCE: usize = 24;
const HEADER: usize = 1 + 4 + NONCE;

impl Keyring {
    /// A keyring that seals with `first` and also opens with `older`.
    #[must_use]
    pub fn new(first: SecretKey, older: impl IntoIterator<Item = SecretKey>) -> Self {
        Self { first: SealingKey::new(first), older: older.into_iter().map(SealingKey::new).collect() }
    }

    /// The key that seals, from which keys for other purposes are derived.
    #[must_use]
    pub fn first(&self) -> &SecretKey {
        &self.first.key
    }

    /// All keys, the sealing one first: what was hashed with an older key is still to be verified.
    pub fn keys(&self) -> impl Iterator<Item = &SecretKey> {
        self.all().map(|sealing| &sealing.key)
    }

    fn all(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.first).chain(&self.older)
    }

    /// Seals `plain` for one context, such as table, column and row: it opens only there.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, RandomError> {
        let nonce: [u8; NONCE] = random_bytes()?;
        let mut sealed = Vec::with_capacity(HEADER + plain.len() + 16);
        sealed.push(SCHEME);
        sealed.extend_from_slice(&self.first.id);
        sealed.extend_from_slice(&nonce);
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        // The cipher refuses only what is longer than 256 GiB.
        let text = self.first.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| RandomError)?;
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// What was sealed for `context`.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (header, text) = sealed.split_at_checked(HEADER).ok_or(OpenError::Format)?;
        let (&[scheme, ref id @ ..], nonce) = header.split_first_chunk::<5>().ok_or(OpenError::Format)?;
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| OpenError::Format)?;
        if scheme != SCHEME {
            return Err(OpenError::Format);
        }
        let key = self.all().find(|key| key.id == *id).ok_or(OpenError::UnknownKey)?;
        let payload = Payload { msg: text, aad: context.as_bytes() };
        key.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| OpenError::Altered)
    }

    /// Whether the first key sealed it: else it is worth sealing anew.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.get(1..5) == Some(self.first.id.as_slice())
    }
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
        assert!(!format!("{secret:?}{:?}{:?}", key(1), Keyring::new(key(1), [])).contains("hunter2"));
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

    /// RFC 4231, test case 2, with its key padded to 32 bytes, which HMAC defines as the same key.
    #[test]
    fn the_keyed_hash_is_hmac_sha256() {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(b"Jefe");
        let mac = SecretKey(bytes).mac(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            SecretKey(mac).to_hex().expose(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_sealed_value_opens_in_its_context_only() {
        let ring = Keyring::new(key(1), []);
        let sealed = ring.seal("users.email:1", b"ada@example.com").expect("sealed");
        assert!(!sealed.windows(3).any(|part| part == b"ada"));
        assert_eq!(ring.open("users.email:1", &sealed), Ok(b"ada@example.com".to_vec()));
        assert_eq!(ring.open("users.email:2", &sealed), Err(OpenError::Altered));
        assert_ne!(ring.seal("users.email:1", b"ada@example.com").expect("sealed"), sealed);
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let ring = Keyring::new(key(1), []);
        let sealed = ring.seal("c", b"value").expect("sealed");
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            ring.open("c", &altered).expect_err("altered");
            ring.open("c", &sealed[..place]).expect_err("cut");
        }
    }

    #[test]
    fn after_a_rotation_the_older_key_still_opens_and_the_new_one_seals() {
        let sealed = Keyring::new(key(1), []).seal("c", b"value").expect("sealed");
        let rotated = Keyring::new(key(2), [key(1)]);
        assert_eq!(rotated.open("c", &sealed), Ok(b"value".to_vec()));
        assert!(!rotated.is_current(&sealed));
        assert!(rotated.is_current(&rotated.seal("c", b"value").expect("sealed")));
        assert_eq!(Keyring::new(key(2), []).open("c", &sealed), Err(OpenError::UnknownKey));
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
