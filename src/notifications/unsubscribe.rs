//! Declining letters with one request (RFC 8058): the link in a mail is the permission, and names one holder and one topic.

use super::{Topic, preferences};
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    kernel::{
        UserId,
        seal::{self, Keyring, SubKey},
    },
};

/// Who declines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The owner of an account.
    User(UserId),
    /// Whoever reads an address, by its keyed hash.
    Address(String),
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Address(hash) => f.write_str(hash),
        }
    }
}

impl Holder {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(user) = text.parse() {
            return Some(Self::User(user));
        }
        let is_hash = text.len() == 32 && seal::from_hex(text).is_some();
        is_hash.then(|| Self::Address(text.to_owned()))
    }
}

/// What a link permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Who declines.
    pub holder: Holder,
    /// What.
    pub topic: Topic,
}

const KEY: usize = 8;
const MAC: usize = 32;
/// The longest token there is.
const LONGEST: usize = 128;

/// The token in a link: whoever has it may decline for this holder, for ever. Links in mails do not end.
#[must_use]
pub fn token(keys: &Keyring, holder: &Holder, topic: Topic) -> String {
    let keys = keys.derive("unsubscribe");
    let (name, key) = keys.current();
    let told = format!("{holder}.{topic}");
    format!("{told}.{name}{}", mac(key, &told))
}

/// What a token permits; none if we did not make it.
#[must_use]
pub fn permission(keys: &Keyring, token: &str) -> Option<Permission> {
    if token.len() > LONGEST || !token.is_ascii() {
        return None;
    }
    let (told, signed) = token.rsplit_once('.')?;
    if signed.len() != KEY + MAC {
        return None;
    }
    let (name, given) = signed.split_at(KEY);
    let keys = keys.derive("unsubscribe");
    let right = keys.named(name).any(|key| seal::same(mac(key, told).as_bytes(), given.as_bytes()));
    let (holder, topic) = told.split_once('.')?;
    let topic: Topic = topic.parse().ok()?;
    let holder = Holder::parse(holder).filter(|_| right && topic.is_optional())?;
    Some(Permission { holder, topic })
}

fn mac(key: &SubKey, told: &str) -> String {
    seal::to_hex(&key.mac(&[told.as_bytes()])[..MAC / 2])
}

/// Declines what a link permits; once or a hundred times is the same.
pub async fn unsubscribe(tx: &mut Tx, permission: &Permission, request: Option<String>) -> Result<(), DbError> {
    let holder = permission.holder.to_string();
    if preferences::decline(tx, &holder, permission.topic).await? {
        let actor = match &permission.holder {
            Holder::User(user) => Actor::user(user.to_string()),
            Holder::Address(_) => Actor::system("notifications.unsubscribe"),
        };
        let told = serde_json::json!({ "topic": permission.topic });
        tx.audit(Entry::new(actor, "mail.unsubscribed", "recipient", holder).change(None, told).request(request));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::kernel::seal::Random;

    fn ring(roots: &[u8]) -> Keyring {
        Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key")
    }

    #[test]
    fn a_link_permits_what_it_was_made_for() {
        let holders =
            [Holder::User(UserId::from_uuid(Uuid::from_u128(7))), Holder::Address("0123456789abcdef".repeat(2))];
        for holder in holders {
            let token = token(&ring(&[1]), &holder, Topic::LicenseReminders);
            assert!(token.len() <= LONGEST, "{}", token.len());
            let permitted = Permission { holder: holder.clone(), topic: Topic::LicenseReminders };
            assert_eq!(permission(&ring(&[1]), &token), Some(permitted.clone()));
            assert_eq!(permission(&ring(&[2, 1]), &token), Some(permitted), "while a key is replaced");
            assert_eq!(permission(&ring(&[2]), &token), None);
            for place in 0..token.len() {
                let mut altered = token.clone().into_bytes();
                altered[place] = if altered[place] == b'0' { b'1' } else { b'0' };
                let altered = String::from_utf8(altered).expect("text");
                assert_eq!(permission(&ring(&[1]), &altered), None, "{place}");
                assert_eq!(permission(&ring(&[1]), &token[..place]), None);
            }
            let account = super::token(&ring(&[1]), &holder, Topic::Account);
            assert_eq!(permission(&ring(&[1]), &account), None, "nobody declines those");
        }
        for text in ["", ".", "..", "a.b.c", &"é".repeat(50), &"x".repeat(10_000)] {
            assert_eq!(permission(&ring(&[1]), text), None, "{text}");
        }
    }
}
