//! Makes licence keys, recognises them, and opens the sealed ones for their owners.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    file::Signer,
    key::{self, Typed, TypingError, check_typing},
};
use crate::{
    catalog::LicenseType,
    kernel::{
        DeveloperId, LicenseId, Time,
        seal::{self, Keyring, PurposeKeys, SealError},
    },
};

/// By what a key is found: the part of the server's keyed hash that is not in the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 24]);

impl KeyHash {
    /// As the database keeps it.
    #[must_use]
    pub fn to_text(self) -> String {
        seal::to_hex(&self.0)
    }

    /// What [`KeyHash::to_text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        seal::from_hex(text)?.try_into().ok().map(Self)
    }

    /// A number from 0 to 255 that it has as likely as any other.
    pub(super) const fn shard(self) -> usize {
        self.0[0] as usize
    }
}

/// Why a text is none of this installation's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// It is no licence key at all, or mistyped.
    #[error(transparent)]
    Typing(#[from] TypingError),
    /// It looks like one, but this installation has not made it.
    #[error("there is no such licence")]
    Foreign,
}

/// A key just made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) sealed: String,
    pub(super) hash: KeyHash,
    pub(super) hint: String,
}

/// Makes and recognises this installation's licence keys. Clones share it.
#[derive(Debug, Clone)]
pub struct KeyMaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Keyring,
    macs: PurposeKeys,
    signer: Signer,
}

impl KeyMaker {
    /// With the installation's root keys: the first makes keys and files, all of them recognise what they made.
    #[must_use]
    pub fn new(keys: &Keyring) -> Self {
        let signer = Signer::new(&keys.derive("license files"));
        Self(Arc::new(Inner { macs: keys.derive("license keys"), signer, keys: keys.clone() }))
    }

    /// Signs licence files.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.0.signer
    }

    /// A new key for the licence `id`.
    pub(super) fn make(
        &self,
        id: LicenseId,
        license_type: LicenseType,
        vendor: DeveloperId,
        now: Time,
    ) -> Result<Made, SealError> {
        let day = now.to_datetime().format("%Y%m%d").to_string();
        let signed = key::signed(license_type, vendor_tag(vendor), &day, self.0.keys.random().bytes());
        let (mac, hash) = split(self.0.macs.current().1.mac(&[&signed]));
        let typed = Typed::new(signed, mac);
        let sealed = self.0.keys.seal(&context(id), typed.to_string().as_bytes())?;
        Ok(Made { sealed: BASE64.encode(sealed), hash, hint: typed.hint() })
    }

    /// Checks a key without asking the database: typing errors, then whether this installation can have made it.
    pub fn recognise(&self, text: &str) -> Result<KeyHash, KeyRefused> {
        let typed = check_typing(text)?;
        for (_, root) in self.0.macs.all() {
            let (mac, hash) = split(root.mac(&[typed.signed()]));
            if typed.has_mac(mac) {
                return Ok(hash);
            }
        }
        Err(KeyRefused::Foreign)
    }

    /// The key of the licence `id`, for its owner.
    pub fn open(&self, id: LicenseId, sealed: &str) -> Result<String, SealError> {
        let sealed = BASE64.decode(sealed).map_err(|_| SealError::Format)?;
        String::from_utf8(self.0.keys.open(&context(id), &sealed)?).map_err(|_| SealError::Format)
    }
}

fn context(id: LicenseId) -> String {
    format!("licenses.key_sealed {id}")
}

/// The first five bytes go into the key, the last 24 find it: neither tells the other.
fn split(mac: [u8; 32]) -> ([u8; 5], KeyHash) {
    let (mut shown, mut kept) = ([0; 5], [0; 24]);
    shown.copy_from_slice(&mac[..5]);
    kept.copy_from_slice(&mac[8..]);
    (shown, KeyHash(kept))
}

/// Names a vendor in keys; the same for as long as the vendor has its id.
fn vendor_tag(vendor: DeveloperId) -> [u8; 4] {
    let [a, b, c, d, ..] = seal::hmac_sha256(b"mintreu vendor tag", vendor.uuid().as_bytes());
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Random;
    use uuid::Uuid;

    fn maker(roots: &[u8]) -> KeyMaker {
        let keys = Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key");
        KeyMaker::new(&keys)
    }

    const ID: LicenseId = LicenseId::from_uuid(Uuid::from_u128(5));

    fn make(maker: &KeyMaker) -> (String, KeyHash) {
        let vendor = DeveloperId::from_uuid(Uuid::from_u128(9));
        let made = maker.make(ID, LicenseType::Regular, vendor, Time::from_micros(1_800_000_000_000_000));
        let made = made.expect("made");
        let key = maker.open(ID, &made.sealed).expect("opens");
        assert!(key.ends_with(&made.hint) && key.contains("-20270115-"), "{key}");
        (key, made.hash)
    }

    #[test]
    fn a_key_is_recognised_by_whoever_made_it_and_nobody_else() {
        let (key, hash) = make(&maker(&[1]));
        assert_eq!(maker(&[1]).recognise(&key), Ok(hash));
        assert_eq!(maker(&[2]).recognise(&key), Err(KeyRefused::Foreign));
        assert_eq!(KeyHash::parse(&hash.to_text()), Some(hash));
    }

    #[test]
    fn after_a_rotation_older_keys_are_still_recognised_and_found() {
        let (old, old_hash) = make(&maker(&[1]));
        let rotated = maker(&[2, 1]);
        assert_eq!(rotated.recognise(&old), Ok(old_hash));
        let (new, _) = make(&rotated);
        assert_eq!(maker(&[1]).recognise(&new), Err(KeyRefused::Foreign));
    }

    #[test]
    fn a_sealed_key_opens_for_its_licence_only() {
        let maker = maker(&[1]);
        let vendor = DeveloperId::from_uuid(Uuid::from_u128(9));
        let made = maker.make(ID, LicenseType::Developer, vendor, Time::default()).expect("made");
        assert_eq!(maker.open(LicenseId::from_uuid(Uuid::from_u128(6)), &made.sealed), Err(SealError::Altered));
    }

    #[test]
    fn no_two_keys_are_alike() {
        let maker = maker(&[1]);
        let keys: std::collections::HashSet<_> = (0..1_000).map(|_| make(&maker).0).collect();
        assert_eq!(keys.len(), 1_000);
    }
}
