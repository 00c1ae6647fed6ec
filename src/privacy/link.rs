//! Links to archives: 43 characters that nobody can make but this installation, and that tell nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use uuid::Uuid;

use super::DataExportId;
use crate::kernel::seal::{Keyring, PurposeKeys, same};

/// How much of the keyed hash stands in a link: 128 bits.
const MAC: usize = 16;

/// What makes and recognises links: the export's number, and a keyed hash of it. They end with the archive.
#[derive(Debug, Clone)]
pub struct Links(PurposeKeys);

impl Links {
    /// With the installation's keys.
    #[must_use]
    pub fn new(keys: &Keyring) -> Self {
        Self(keys.derive("data-export-link"))
    }

    /// The secret part of a link.
    #[must_use]
    pub fn token(&self, export: DataExportId) -> String {
        let (id, mac) = (export.uuid().into_bytes(), self.0.current().1.mac(&[export.uuid().as_bytes()]));
        BASE64.encode([id.as_slice(), &mac[..MAC]].concat())
    }

    /// The export that a link names; none if the link is none of ours.
    #[must_use]
    pub fn open(&self, token: &str) -> Option<DataExportId> {
        let mut bytes = [0; 16 + MAC];
        // The length first: nothing decodes what is far too long.
        if token.len() != 43 || BASE64.decode_slice(token, &mut bytes).ok()? != bytes.len() {
            return None;
        }
        let (id, mac) = bytes.split_first_chunk::<16>()?;
        let ours = self.0.all().any(|(_, key)| same(&key.mac(&[id])[..MAC], mac));
        ours.then(|| DataExportId::from_uuid(Uuid::from_bytes(*id)))
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
    fn a_link_opens_with_the_keys_that_made_it_and_altered_with_none() {
        let export = DataExportId::from_uuid(Uuid::from_u128(7));
        let token = links(&[1]).token(export);
        assert_eq!(links(&[2, 1]).open(&token), Some(export), "after a rotation too");
        assert_eq!(links(&[2]).open(&token), None);
        for place in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(links(&[1]).open(&String::from_utf8(altered).expect("ASCII")), None, "{place}");
        }
        for text in ["", "a", &"A".repeat(43), &"ä".repeat(43), &"A".repeat(100_000)] {
            assert_eq!(links(&[1]).open(text), None);
        }
    }
}
