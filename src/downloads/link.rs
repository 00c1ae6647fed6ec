//! Links: 43 characters that nobody can make but this installation, and that tell nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use uuid::Uuid;

use crate::{
    id_type,
    kernel::seal::{Keyring, PurposeKeys, same},
};

id_type!(GrantId, GrantMarker, "dlg", "A link to a download that was given out.");

/// How much of the keyed hash stands in a link: 128 bits.
const MAC: usize = 16;

/// What makes and recognises links: the grant's number, and a keyed hash of it.
///
/// So what nobody was given is refused without asking anybody, and a copy of the database opens nothing.
#[derive(Debug, Clone)]
pub(super) struct Links(PurposeKeys);

impl Links {
    pub(super) fn new(keys: &Keyring) -> Self {
        Self(keys.derive("download-link"))
    }

    /// The secret part of a link.
    pub(super) fn token(&self, grant: GrantId) -> String {
        let (id, mac) = (grant.uuid().into_bytes(), self.0.current().1.mac(&[grant.uuid().as_bytes()]));
        BASE64.encode([id.as_slice(), &mac[..MAC]].concat())
    }

    /// The grant that a link names; none if the link is none of ours.
    pub(super) fn open(&self, token: &str) -> Option<GrantId> {
        let mut bytes = [0; 16 + MAC];
        // The length first: nothing decodes what is far too long.
        if token.len() != 43 || BASE64.decode_slice(token, &mut bytes).ok()? != bytes.len() {
            return None;
        }
        let (id, mac) = bytes.split_first_chunk::<16>()?;
        let ours = self.0.all().any(|(_, key)| same(&key.mac(&[id])[..MAC], mac));
        ours.then(|| GrantId::from_uuid(Uuid::from_bytes(*id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Random;

    fn links(roots: &[u8]) -> Links {
        Links::new(&Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(1)).expect("a key"))
    }

    #[test]
    fn a_link_opens_with_the_keys_that_made_it() {
        let grant = GrantId::from_uuid(Uuid::from_u128(7));
        let token = links(&[1]).token(grant);
        assert_eq!(token.len(), 43);
        assert_eq!(links(&[1]).open(&token), Some(grant));
        assert_eq!(links(&[2, 1]).open(&token), Some(grant), "after a rotation too");
        assert_eq!(links(&[2]).open(&token), None);
    }

    #[test]
    fn no_altered_link_opens() {
        let token = links(&[1]).token(GrantId::from_uuid(Uuid::from_u128(7)));
        for place in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert_eq!(links(&[1]).open(&altered), None, "{altered}");
        }
        for text in ["", "a", &token[1..], &format!("{token}="), &"A".repeat(43), &"ä".repeat(43), &"A".repeat(100_000)]
        {
            assert_eq!(links(&[1]).open(text), None);
        }
    }
}
