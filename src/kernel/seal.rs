//! What is sealed opens only with one of the installation's keys and only in the place it was sealed for.
//!
//! A [`Keyring`] is a list of root keys: the first seals, all of them open, so a key is rotated by putting a new one in
//! front. No root key is used itself: every purpose has a sub-key of its own, from which neither the root nor the
//! sub-key of another purpose can be computed. Nothing in here shows a key in its `Debug` form.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Where random bytes come from: injected, so that tests decide them. Clones share the source.
#[derive(Clone)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// A cryptographic generator (`ChaCha`) seeded by the operating system.
    #[must_use]
    pub fn os() -> Self {
        Self(Arc::new(Mutex::new(rand::make_rng())))
    }

    /// A generator whose output depends on `seed` alone, for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// Names a root key in what it sealed: the first four bytes of the key's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    fn of(root: &[u8; 32]) -> Self {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(root));
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key for one purpose.
#[derive(Clone)]
pub struct SubKey([u8; 32]);

impl SubKey {
    /// The key made of `bytes`.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA-256 (RFC 2104) of the parts, one after the other. Parts whose lengths vary are framed by the caller.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC pads a short key with zeros to the hash's block of 64 bytes. Done here, no length can be wrong.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256>>::new(&block.into());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// A key derived from this one; another label gives an unrelated key.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        // The expand step of HKDF (RFC 5869, 2.3) for one block: the root is uniformly random already.
        Self(self.mac(&[label.as_bytes(), &[1]]))
    }

    /// Seals `plain` for `context`: 24 bytes of nonce, then the XChaCha20-Poly1305 ciphertext with its tag.
    pub fn seal(&self, random: &Random, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE] = random.bytes();
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let text = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    /// Opens what [`SubKey::seal`] made for the same context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>().ok_or(SealError::Format)?;
        let payload = Payload { msg: text, aad: context.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Altered)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }

    /// The key itself, to be sealed under another.
    pub(crate) const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SubKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubKey(…)")
    }
}

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The list of keys is empty.
    #[error("secrets.key is empty: give at least one key of 32 random bytes")]
    NoKey,
    /// Too short, or sealed by another scheme.
    #[error("this is no sealed value")]
    Format,
    /// None of the keys has sealed it.
    #[error("sealed with key {0}, which is not in secrets.key: add that key to the end of the list")]
    UnknownKey(KeyId),
    /// Altered, or sealed for another context.
    #[error("the sealed value was altered, or belongs to another place")]
    Altered,
    /// Longer than the cipher takes (256 GiB).
    #[error("the value is too long to be sealed")]
    TooLong,
}

const SCHEME: u8 = 1;
const NONCE: usize = 24;

#[derive(Clone)]
struct RootKey {
    id: KeyId,
    key: SubKey,
    sealing: SubKey,
}

/// The root keys in use: the first seals, all of them open. Clones share the source of nonces.
#[derive(Clone)]
pub struct Keyring {
    first: RootKey,
    older: Vec<RootKey>,
    random: Random,
}

impl Keyring {
    /// A keyring of `roots`, each 32 random bytes, the sealing one first.
    pub fn new(roots: impl IntoIterator<Item = [u8; 32]>, random: Random) -> Result<Self, SealError> {
        let mut keys = roots.into_iter().map(|root| {
            let key = SubKey(root);
            RootKey { id: KeyId::of(&root), sealing: key.derive("mintreu seal"), key }
        });
        let first = keys.next().ok_or(SealError::NoKey)?;
        Ok(Self { first, older: keys.collect(), random })
    }

    /// Seals `plain` for one context, such as table, column and row: it opens only there.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let body = self.first.sealing.seal(&self.random, context, plain)?;
        Ok([&[SCHEME], self.first.id.0.as_slice(), &body].concat())
    }

    /// Opens what was sealed for `context`.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&[scheme, a, b, c, d], body) = sealed.split_first_chunk::<5>().ok_or(SealError::Format)?;
        let id = KeyId([a, b, c, d]);
        if scheme != SCHEME {
            return Err(SealError::Format);
        }
        let mut result = Err(SealError::UnknownKey(id));
        // Four bytes can name two keys; the tag tells which of them it was.
        for key in self.all().filter(|key| key.id == id) {
            result = key.sealing.open(context, body);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Whether the first key sealed it: if not, it is worth sealing anew.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.get(1..5) == Some(self.first.id.0.as_slice())
    }

    /// The keys for one purpose, one from each root key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> PurposeKeys {
        let label = format!("mintreu {purpose}");
        PurposeKeys(self.all().map(|root| (root.id, root.key.derive(&label))).collect())
    }

    /// Where this keyring's nonces come from.
    #[must_use]
    pub const fn random(&self) -> &Random {
        &self.random
    }

    fn all(&self) -> impl Iterator<Item = &RootKey> {
        std::iter::once(&self.first).chain(&self.older)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(|key| key.id)).finish()
    }
}

/// The keys for one purpose: the first signs, all of them verify.
#[derive(Clone, Debug)]
pub struct PurposeKeys(Vec<(KeyId, SubKey)>);

impl PurposeKeys {
    /// The key to sign with, and the name of its root.
    #[must_use]
    pub fn current(&self) -> (KeyId, &SubKey) {
        // A keyring has a first key, and so has everything derived from it.
        let (id, key) = &self.0[0];
        (*id, key)
    }

    /// All of them, the one that signs first, each with the name of its root.
    pub fn all(&self) -> impl Iterator<Item = (KeyId, &SubKey)> {
        self.0.iter().map(|(id, key)| (*id, key))
    }

    /// The keys of the root whose id is written `id`: none, one, or (rarely) two of the same name.
    pub fn named(&self, id: &str) -> impl Iterator<Item = &SubKey> {
        self.0.iter().filter(move |(known, _)| known.to_string() == id).map(|(_, key)| key)
    }
}

/// HMAC-SHA-256 (RFC 2104) of `message` under a key of any length: for signatures that others define.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        // A key longer than the hash's block stands for its digest.
        None => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let mut mac = <Hmac<Sha256>>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes that [`to_hex`] wrote; lower case only, so that one value has one text.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(roots: &[u8]) -> Keyring {
        Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key")
    }

    #[test]
    fn a_sealed_value_opens_in_its_context_only() {
        let sealed = ring(&[1]).seal("users.email:1", b"ada@example.com").expect("sealed");
        assert_eq!(ring(&[1]).open("users.email:1", &sealed), Ok(b"ada@example.com".to_vec()));
        assert_eq!(ring(&[1]).open("users.email:2", &sealed), Err(SealError::Altered));
    }

    #[test]
    fn every_altered_or_missing_byte_is_noticed() {
        let ring = ring(&[1]);
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
        let sealed = ring(&[1]).seal("c", b"value").expect("sealed");
        let rotated = ring(&[2, 1]);
        assert_eq!(rotated.open("c", &sealed), Ok(b"value".to_vec()));
        assert!(!rotated.is_current(&sealed));
        assert!(rotated.is_current(&rotated.seal("c", b"value").expect("sealed")));
        assert_eq!(ring(&[2]).open("c", &sealed), Err(SealError::UnknownKey(KeyId::of(&[1; 32]))));
    }

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn a_key_of_any_length_makes_the_hash_of_the_standard() {
        let short = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(to_hex(&short), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(to_hex(&long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn no_two_values_share_a_nonce() {
        let ring = ring(&[1]);
        assert_ne!(ring.seal("c", b"value"), ring.seal("c", b"value"));
    }

    #[test]
    fn an_empty_list_of_keys_is_refused() {
        assert_eq!(Keyring::new([], Random::seeded(1)).map(|_| ()), Err(SealError::NoKey));
    }

    /// RFC 4231, test case 2; HMAC defines the key padded with zeros as the same key.
    #[test]
    fn the_keyed_hash_is_hmac_sha256() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = SubKey(key).mac(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(to_hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn each_purpose_and_each_root_has_a_key_of_its_own() {
        let ring = ring(&[1, 2]);
        let (chain, session) = (ring.derive("audit-chain"), ring.derive("session"));
        let macs: std::collections::HashSet<_> =
            chain.0.iter().chain(&session.0).map(|(_, key)| key.mac(&[b"x"])).collect();
        assert_eq!(macs.len(), 4);
        let (id, key) = chain.current();
        assert_eq!(chain.named(&id.to_string()).map(SubKey::expose).collect::<Vec<_>>(), [key.expose()]);
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let shown = format!("{0:?} {1:?} {1:#?}", ring(&[0xab]), ring(&[0xab]).derive("session"));
        assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn bytes_survive_their_hexadecimal_text(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        }
    }
}
