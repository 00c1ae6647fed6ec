//! Addresses that lead an answer to its ticket: `support+<token>@host`.
//!
//! A token is made for one ticket and one person: whoever writes to it must write from that person's address, and whoever
//! has another's address still lacks the token that was mailed there. It holds in lower case and in 64 characters (RFC
//! 5321, 4.5.3.1.1), because hosts on the way may fold the one and refuse more than the other.

use uuid::Uuid;

use crate::kernel::{
    TicketId, UserId,
    seal::{self, Keyring, SubKey},
};

const PURPOSE: &str = "support mail";
/// Characters of the identifier, then of the code: 80 bits.
const IDENTIFIER: usize = 26;
const CODE: usize = 20;

/// Nobody's account has the identifier of a ticket: there it stands for the guest whose ticket it is.
fn code(key: &SubKey, ticket: TicketId, whose: Uuid) -> String {
    let mut code = seal::to_hex(&key.mac(&[ticket.uuid().as_bytes(), whose.as_bytes()]));
    code.truncate(CODE);
    code
}

fn token(keys: &Keyring, ticket: TicketId, whose: Uuid) -> String {
    let identifier = ticket.to_string().replace("tkt_", "");
    format!("{identifier}{}", code(keys.derive(PURPOSE).current().1, ticket, whose))
}

/// The token with which a person answers on a ticket.
#[must_use]
pub fn mail_token(keys: &Keyring, ticket: TicketId, user: UserId) -> String {
    token(keys, ticket, user.uuid())
}

/// The token with which whoever asked without an account answers on their ticket.
#[must_use]
pub fn guest_mail_token(keys: &Keyring, ticket: TicketId) -> String {
    token(keys, ticket, ticket.uuid())
}

/// The address to which a person answers; `None` if `base` is no address.
#[must_use]
pub fn reply_address(base: &str, token: &str) -> Option<String> {
    let (name, host) = base.split_once('@')?;
    Some(format!("{name}+{token}@{host}"))
}

/// A token as it came in; whose it is, is for [`MailToken::is_of`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailToken {
    /// The ticket that it names.
    pub ticket: TicketId,
    code: String,
}

impl MailToken {
    /// The token in an address, if one is there.
    #[must_use]
    pub fn in_address(address: &str) -> Option<Self> {
        let (name, _) = address.trim().rsplit_once('@')?;
        let token = name.rsplit_once('+')?.1.to_ascii_lowercase();
        if token.len() != IDENTIFIER + CODE || !token.is_ascii() {
            return None;
        }
        let (identifier, code) = token.split_at(IDENTIFIER);
        Some(Self { ticket: format!("tkt_{identifier}").parse().ok()?, code: code.to_owned() })
    }

    /// Whether it was made for this person, under any of the installation's keys.
    #[must_use]
    pub fn is_of(&self, keys: &Keyring, user: UserId) -> bool {
        self.is_for(keys, user.uuid())
    }

    /// Whether it was made for the guest whose ticket it is.
    #[must_use]
    pub fn is_of_guest(&self, keys: &Keyring) -> bool {
        self.is_for(keys, self.ticket.uuid())
    }

    fn is_for(&self, keys: &Keyring, whose: Uuid) -> bool {
        keys.derive(PURPOSE)
            .all()
            .any(|(_, key)| seal::same(code(key, self.ticket, whose).as_bytes(), self.code.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Random;

    fn ring(roots: &[u8]) -> Keyring {
        Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key")
    }

    #[test]
    fn a_token_is_one_persons_on_one_ticket() {
        let (ticket, other) = (TicketId::from_uuid(Uuid::from_u128(1)), TicketId::from_uuid(Uuid::from_u128(2)));
        let (ada, eve) = (UserId::from_uuid(Uuid::from_u128(3)), UserId::from_uuid(Uuid::from_u128(4)));
        let address = reply_address("support@example.com", &mail_token(&ring(&[1]), ticket, ada)).expect("an address");
        assert!(address.split('@').next().is_some_and(|name| name.len() <= 64), "{address}");
        let token = MailToken::in_address(&address.to_uppercase()).expect("a token");
        assert_eq!(token.ticket, ticket);
        assert!(token.is_of(&ring(&[1]), ada));
        assert!(token.is_of(&ring(&[2, 1]), ada), "after a rotation");
        assert!(!token.is_of(&ring(&[2]), ada));
        assert!(!token.is_of(&ring(&[1]), eve));
        assert!(!token.is_of_guest(&ring(&[1])));
        let guests = format!("support+{}@example.com", guest_mail_token(&ring(&[1]), ticket));
        let guests = MailToken::in_address(&guests).expect("a token");
        assert!(guests.is_of_guest(&ring(&[2, 1])) && !guests.is_of(&ring(&[1]), ada));
        assert!(!MailToken { ticket: other, ..guests }.is_of_guest(&ring(&[1])));
        let moved = MailToken { ticket: other, ..token };
        assert!(!moved.is_of(&ring(&[1]), ada));
    }

    #[test]
    fn other_addresses_hold_none() {
        let id = "0".repeat(26);
        for address in [
            "",
            "support@example.com",
            "support+@example.com",
            "support+x@example.com",
            &format!("support+{id}{}", "0".repeat(20)),
            &format!("support+{id}{}@example.com", "0".repeat(19)),
            &format!("support+{}{}@example.com", "8".repeat(26), "0".repeat(20)),
            &format!("support+{}{}@example.com", "é".repeat(13), "0".repeat(20)),
        ] {
            assert_eq!(MailToken::in_address(address), None, "{address}");
        }
    }
}
