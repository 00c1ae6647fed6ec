//! The chain: what exactly is hashed, and with what.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    db::{Db, DbError},
    fetch_optional,
    kernel::{
        Time,
        seal::{SubKey, from_hex, to_hex},
    },
};

/// The hash of an entry, or of nothing (all zeros) before the first.
pub(super) type ChainMac = [u8; 32];

/// An entry as it lies in the table, without its place in the chain.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) occurred_at: Time,
    pub(super) actor_kind: String,
    pub(super) actor_id: String,
    pub(super) action: String,
    pub(super) object_type: String,
    pub(super) object_id: String,
    pub(super) before_json: Option<String>,
    pub(super) after_json: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) person: Option<Uuid>,
    pub(super) personal: Option<String>,
}

/// The columns of a [`Row`].
macro_rules! row_columns {
    () => {
        "e.id, e.occurred_at, e.actor_kind, e.actor_id, e.action, e.object_type, e.object_id, e.before_json, \
         e.after_json, e.reason, e.request_id, e.person, e.personal"
    };
}
pub(super) use row_columns;

/// An entry, whether it is sealed, and the state of its person's key.
#[derive(Debug, FromRow)]
pub(super) struct KeptRow {
    #[sqlx(flatten)]
    pub(super) row: Row,
    pub(super) sealed: bool,
    pub(super) sealed_key: Option<String>,
    pub(super) erased_at: Option<Time>,
}

/// `SELECT` of a [`KeptRow`], up to its `WHERE`.
macro_rules! select_kept {
    ($rest:expr) => {
        concat!(
            "SELECT ",
            $crate::audit::chain::row_columns!(),
            ", NOT EXISTS (SELECT 1 FROM audit_unsealed AS u WHERE u.id = e.id) AS sealed, k.sealed_key, k.erased_at \
             FROM audit_entries AS e LEFT JOIN audit_person_keys AS k ON k.person = e.person WHERE ",
            $rest
        )
    };
}
pub(super) use select_kept;

impl Row {
    /// The entry as bytes: every field with its length in front, so that no two entries have the same bytes.
    fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.occurred_at.as_micros().to_be_bytes());
        let person = self.person.map(Uuid::into_bytes);
        let fields = [
            Some(self.actor_kind.as_bytes()),
            Some(self.actor_id.as_bytes()),
            Some(self.action.as_bytes()),
            Some(self.object_type.as_bytes()),
            Some(self.object_id.as_bytes()),
            self.before_json.as_deref().map(str::as_bytes),
            self.after_json.as_deref().map(str::as_bytes),
            self.reason.as_deref().map(str::as_bytes),
            self.request_id.as_deref().map(str::as_bytes),
            person.as_ref().map(<[u8; 16]>::as_slice),
            self.personal.as_deref().map(str::as_bytes),
        ];
        for field in fields {
            match field {
                None => out.push(0),
                Some(bytes) => {
                    out.push(1);
                    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
        out
    }

    /// The hash that seals this entry at place `seq` behind `previous`.
    pub(super) fn link(&self, key: &SubKey, previous: &ChainMac, seq: i64) -> ChainMac {
        key.mac(&[b"mintreu audit 1", previous, &seq.to_be_bytes(), &self.canonical()])
    }
}

/// The end of the chain: published, it proves later what the chain was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AuditHead")]
pub struct Head {
    /// How many entries are sealed: the last one's sequence number.
    pub sequence: i64,
    /// The last one's hash, in hexadecimal.
    pub mac: String,
}

impl Head {
    /// The head of a chain without entries.
    pub(super) fn start() -> Self {
        Self { sequence: 0, mac: to_hex(&[0; 32]) }
    }

    pub(super) fn chain_mac(&self) -> Option<ChainMac> {
        from_hex(&self.mac)?.try_into().ok()
    }

    /// The head as the database has it; `None` if its row is gone.
    pub(super) async fn read(db: &Db) -> Result<Option<Self>, DbError> {
        let row: Option<(i64, String)> =
            fetch_optional!(db, sqlx::query_as("SELECT seq, mac FROM audit_head WHERE id = 1"))?;
        Ok(row.map(|(sequence, mac)| Self { sequence, mac }))
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, self.mac)
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a head is written SEQUENCE:MAC, as the log and the export show it";
        let (sequence, mac) = text.split_once(':').ok_or(FORM)?;
        let head = Self { sequence: sequence.parse().map_err(|_| FORM)?, mac: mac.to_owned() };
        head.chain_mac().map(|_| head).ok_or(FORM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(action: &str, object_type: &str, reason: Option<&str>) -> Row {
        Row {
            id: Uuid::from_u128(1),
            occurred_at: Time::from_micros(1),
            actor_kind: "system".into(),
            actor_id: "a".into(),
            action: action.into(),
            object_type: object_type.into(),
            object_id: "o".into(),
            before_json: None,
            after_json: None,
            reason: reason.map(str::to_owned),
            request_id: None,
            person: None,
            personal: None,
        }
    }

    #[test]
    fn the_hash_covers_the_predecessor_the_place_the_key_and_where_fields_end() {
        let (key, entry) = (SubKey::from_bytes([1; 32]), row("ab", "c", None));
        let macs = [
            entry.link(&key, &[0; 32], 1),
            entry.link(&key, &[1; 32], 1),
            entry.link(&key, &[0; 32], 2),
            entry.link(&SubKey::from_bytes([2; 32]), &[0; 32], 1),
            row("a", "bc", None).link(&key, &[0; 32], 1),
            row("ab", "c", Some("")).link(&key, &[0; 32], 1),
        ];
        let distinct: std::collections::HashSet<_> = macs.iter().collect();
        assert_eq!(distinct.len(), macs.len());
    }

    #[test]
    fn a_published_head_is_read_back_and_other_texts_are_not() {
        let head = Head { sequence: 7, mac: "ab".repeat(32) };
        assert_eq!(head.to_string().parse(), Ok(head));
        for text in ["", "7", "7:", "7:ab", &format!("x:{}", "ab".repeat(32)), &format!("7:{}", "zz".repeat(32))] {
            assert!(text.parse::<Head>().is_err(), "{text}");
        }
    }
}
