//! Whom mails go to, as it may be written down: a keyed hash that finds the same address again, and a hint for people.
//!
//! An address in a record of mails would outlive the account that it belongs to. The hash cannot be turned back without
//! the installation's keys, and not by trying addresses.

use crate::kernel::seal::{self, Keyring, PurposeKeys};

/// Makes hashes of addresses. While `secrets.key` holds an older key too, what was hashed with it is still found.
#[derive(Debug, Clone)]
pub struct Recipients(PurposeKeys);

impl Recipients {
    /// With the installation's keys.
    #[must_use]
    pub fn new(keys: &Keyring) -> Self {
        Self(keys.derive("mail recipients"))
    }

    /// The hash that an address is written down by.
    #[must_use]
    pub fn hash(&self, address: &str) -> String {
        hash(self.0.current().1, address)
    }

    /// All hashes that it may have been written down by.
    #[must_use]
    pub fn hashes(&self, address: &str) -> Vec<String> {
        self.0.all().map(|(_, key)| hash(key, address)).collect()
    }
}

/// 128 bits of the keyed hash; addresses count as equal whatever their case.
fn hash(key: &seal::SubKey, address: &str) -> String {
    seal::to_hex(&key.mac(&[address.trim().to_lowercase().as_bytes()])[..16])
}

/// As much of an address as tells an operator whose it probably is: `a…@example.com`.
#[must_use]
pub(super) fn hint(address: &str) -> String {
    let fit = |text: &str, longest| text.chars().filter(|c| !c.is_control()).take(longest).collect::<String>();
    match address.rsplit_once('@') {
        Some((name, host)) => format!("{}…@{}", fit(name, 1), fit(host, 253)),
        None => format!("{}…", fit(address, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Random;

    fn recipients(roots: &[u8]) -> Recipients {
        Recipients::new(&Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(1)).expect("keys"))
    }

    #[test]
    fn an_address_is_found_again_and_not_read() {
        let ours = recipients(&[1]);
        assert_eq!(ours.hash("Ada@Example.com"), ours.hash(" ada@example.com"));
        assert_ne!(ours.hash("ada@example.com"), ours.hash("bob@example.com"));
        assert_ne!(ours.hash("ada@example.com"), recipients(&[2]).hash("ada@example.com"));
        assert!(recipients(&[2, 1]).hashes("ada@example.com").contains(&ours.hash("ada@example.com")));
        assert_eq!(hint("ada@example.com"), "a…@example.com");
        assert_eq!((hint("nobody"), hint("")), ("n…".to_owned(), "…".to_owned()));
    }
}
