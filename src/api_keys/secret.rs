//! What a key's secret looks like: `mtk_`, the key's number, 64 hexadecimal digits of chance and eight of a keyed hash.
//!
//! It names its key, so that it is enough by itself (`X-API-Key`). The keyed hash keeps invented secrets away from the
//! database. With 256 random bits in it a plain hash keeps it safe at rest.

use std::{fmt, sync::Arc};

use crate::{
    id_type,
    kernel::seal::{self, Keyring, PurposeKeys, Random},
};

id_type!(ApiKeyId, ApiKeyMarker, "key", "A key of an API; the client id of its holder.");

/// What secrets begin with: scanners for leaked ones look for it.
pub const SECRET_PREFIX: &str = "mtk_";
/// The characters of an identifier behind its prefix.
const NUMBER: usize = 26;
const CHANCE: usize = 64;
const CHECK: usize = 8;
/// How many characters of a secret are shown later.
const HINT: usize = 4;

/// What the database keeps of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretHash([u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl SecretHash {
    fn of(secret: &str) -> Self {
        Self(seal::hmac_sha256(b"mintreu api key", secret.as_bytes()))
    }

    pub(super) fn to_text(self) -> String {
        seal::to_hex(&self.0)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        seal::from_hex(text)?.try_into().ok().map(Self)
    }

    /// In constant time.
    pub(super) fn is(&self, other: &Self) -> bool {
        seal::same(&self.0, &other.0)
    }
}

/// A secret that this installation has made, as somebody presents it. Whether it is good is another matter.
#[derive(Debug, Clone, Copy)]
pub struct Presented {
    /// Of which key.
    pub key: ApiKeyId,
    pub(super) hash: SecretHash,
}

/// A secret just made.
pub(super) struct Made {
    pub(super) secret: String,
    pub(super) hash: SecretHash,
    pub(super) hint: String,
}

/// Makes and recognises secrets. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Secrets(Arc<(PurposeKeys, Random)>);

impl Secrets {
    pub(super) fn new(keys: &Keyring) -> Self {
        Self(Arc::new((keys.derive("api keys"), keys.random().clone())))
    }

    pub(super) fn make(&self, key: ApiKeyId) -> Made {
        let (roots, random) = &*self.0;
        let id = key.to_string();
        let number = id.split_once('_').map_or("", |(_, number)| number);
        let chance = seal::to_hex(&random.bytes::<32>());
        let check = check(roots.current().1, number, &chance);
        let secret = format!("{SECRET_PREFIX}{number}_{chance}{check}");
        let hint = secret[secret.len() - HINT..].to_owned();
        Made { hash: SecretHash::of(&secret), hint, secret }
    }

    /// The secret that a text is, if this installation has made it; without asking the database.
    pub(super) fn recognise(&self, text: &str) -> Option<Presented> {
        if text.len() != SECRET_PREFIX.len() + NUMBER + 1 + CHANCE + CHECK || !text.is_ascii() {
            return None;
        }
        let (number, rest) = text.strip_prefix(SECRET_PREFIX)?.split_once('_')?;
        let (chance, given) = rest.split_at_checked(CHANCE)?;
        let key = format!("key_{number}").parse().ok()?;
        let ours = self.0.0.all().any(|(_, root)| seal::same(check(root, number, chance).as_bytes(), given.as_bytes()));
        ours.then(|| Presented { key, hash: SecretHash::of(text) })
    }
}

fn check(root: &seal::SubKey, number: &str, chance: &str) -> String {
    let mac = root.mac(&[number.as_bytes(), chance.as_bytes()]);
    seal::to_hex(&mac[..CHECK / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn secrets(roots: &[u8]) -> Secrets {
        Secrets::new(&Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key"))
    }

    const KEY: ApiKeyId = ApiKeyId::from_uuid(Uuid::from_u128(5));

    #[test]
    fn a_secret_names_its_key_and_is_recognised_by_whoever_made_it() {
        let made = secrets(&[1]).make(KEY);
        let presented = secrets(&[1]).recognise(&made.secret).expect("ours");
        assert_eq!(presented.key, KEY);
        assert!(presented.hash.is(&made.hash) && made.secret.ends_with(&made.hint));
        assert!(secrets(&[2]).recognise(&made.secret).is_none(), "another installation's");
        assert!(secrets(&[2, 1]).recognise(&made.secret).is_some(), "after a rotation of the root");
        assert_eq!(SecretHash::parse(&made.hash.to_text()), Some(made.hash));
    }

    #[test]
    fn another_digit_anywhere_makes_it_another() {
        let secrets = secrets(&[1]);
        let made = secrets.make(KEY).secret;
        for place in 0..made.len() {
            let mut other = made.clone().into_bytes();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).expect("ASCII");
            assert!(secrets.recognise(&other).is_none(), "{other}");
        }
        for text in ["", "mtk_", "key_01", &made[1..], &format!("{made}0"), &"€".repeat(34)] {
            assert!(secrets.recognise(text).is_none(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = secrets(&[1]).recognise(&text);
        }
    }
}
