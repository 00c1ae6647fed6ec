//! Verification: walks the chain from its first entry to its head and names the first thing that is wrong.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{
    AuditError, Filter, Head,
    chain::{ChainMac, KeptRow},
    chain_keys,
    people::{Person, open_key, open_personal},
    seals::{Place, Seal, TAG, entries_of, next_seals},
};
use crate::{
    db::{Db, DbError},
    fetch_one,
    kernel::seal::{Keyring, PurposeKeys, SealError, same, to_hex},
};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many entries are in order, from the first.
    pub verified: i64,
    /// How many of them hold data of a person who was erased.
    pub erased: u64,
    /// How many entries have no place in the chain yet; more than a second's worth means that no sealer runs.
    pub unsealed: i64,
    /// The head, as the database has it.
    pub head: Option<Head>,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
}

impl Report {
    /// Whether the trail is whole.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.problem.is_none()
    }
}

/// What is wrong, and at which sequence number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "problem")]
#[schemars(rename = "AuditProblem")]
pub enum Problem {
    /// The entry that was sealed there is not there, or no seal is of it though there are later ones.
    #[error("entry {sequence} is missing: it was deleted")]
    Missing {
        /// The sequence number that is not there.
        sequence: i64,
    },
    /// The entry is not what was sealed there.
    #[error("entry {sequence} (id {id}) is not what was sealed: it was edited, moved or replaced")]
    Altered {
        /// Its sequence number.
        sequence: i64,
        /// The id that the row has now.
        #[schemars(with = "String", extend("format" = "uuid"))]
        id: Uuid,
    },
    /// A seal is not what was written.
    #[error("the seal of entry {sequence} is damaged: its row of table audit_seals was edited")]
    SealDamaged {
        /// The sequence number of an entry that it is of.
        sequence: i64,
    },
    /// The entry was sealed with a key that is not configured.
    #[error(
        "entry {sequence} was sealed with key {key_id}, which is not in secrets.key: add it to the end of the list"
    )]
    UnknownKey {
        /// Its sequence number.
        sequence: i64,
        /// The name of the key.
        key_id: String,
    },
    /// The chain ends before its head.
    #[error("the chain ends at entry {last}, its head is at {head}: the entries between were deleted")]
    Truncated {
        /// The last entry's sequence number.
        last: i64,
        /// The head's.
        head: i64,
    },
    /// There are seals behind the head, or the head's hash is not the last entry's.
    #[error("the head at {head} does not fit entry {last}, the last one: the head was forged or set back")]
    HeadForged {
        /// The last entry's sequence number.
        last: i64,
        /// The head's.
        head: i64,
    },
    /// There is no head.
    #[error("the head of the chain is missing: the row of table audit_head was deleted or damaged")]
    HeadMissing,
    /// A head that was published earlier is not on this chain.
    #[error("the published head at {sequence} is not on this chain: the chain was cut or rewritten since")]
    NotPublished {
        /// The published head's sequence number.
        sequence: i64,
    },
    /// There are more or fewer entries than were sealed and wait to be.
    #[error(
        "there are {entries} entries, but {sealed} are sealed and {waiting} wait to be: some were put in or taken out by hand"
    )]
    Uncounted {
        /// How many there are.
        entries: i64,
        /// How many are sealed.
        sealed: i64,
        /// How many are marked as waiting.
        waiting: i64,
    },
    /// A person's key is gone without an erasure, or is not the one that sealed the entry.
    #[error("entry {sequence}: the key of person {person} was deleted or replaced without erasing the person")]
    PersonKey {
        /// The entry's sequence number.
        sequence: i64,
        /// Whose key.
        #[schemars(with = "String", extend("format" = "uuid"))]
        person: Uuid,
    },
}

/// What a part of a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AuditVerification")]
pub struct Part {
    /// The last entry that is in order: where the next part begins. All zeros before the first.
    pub verified: Head,
    /// Whether that is the chain's end: all of it is whole, if the first part began at its beginning.
    pub complete: bool,
    /// The head, as the database has it.
    pub head: Option<Head>,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
}

/// Walks a part of the chain: `most` entries behind `after`, which is what the part before says was verified.
///
/// A caller who keeps what each part says and gives it to the next has walked the whole chain when one says that it is
/// complete; nothing is remembered here.
pub async fn verify_part(
    db: &Db,
    keys: &Keyring,
    (after, published): (Option<&Head>, Option<&Head>),
    most: i64,
) -> Result<Part, AuditError> {
    let head = Head::read(db).await?;
    let (at, mac) = after.map_or((0, [0; 32]), |after| (after.sequence, after.chain_mac().unwrap_or_default()));
    let mut walk = Walk { ring: keys, keys: chain_keys(keys), published, at, mac, erased: 0 };
    let (complete, problem) = match walk.run(db, head.as_ref(), at.saturating_add(most)).await? {
        Ok(complete) => (complete, None),
        Err(problem) => (false, Some(problem)),
    };
    Ok(Part { verified: Head { sequence: walk.at, mac: to_hex(&walk.mac) }, complete, head, problem })
}

/// Walks the whole chain. `published` is a head that was noted earlier, from the log or an export: a chain that was cut
/// together with its head is found out by that alone.
pub async fn verify(db: &Db, keys: &Keyring, published: Option<&Head>) -> Result<Report, AuditError> {
    let unsealed = fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM audit_unsealed"))?;
    let head = Head::read(db).await?;
    let mut walk = Walk { ring: keys, keys: chain_keys(keys), published, at: 0, mac: [0; 32], erased: 0 };
    let problem = walk.run(db, head.as_ref(), i64::MAX).await?.err();
    Ok(Report { verified: walk.at, erased: walk.erased, unsealed, head, problem })
}

struct Walk<'a> {
    ring: &'a Keyring,
    keys: PurposeKeys,
    published: Option<&'a Head>,
    /// The last entry that was in order, and its hash.
    at: i64,
    mac: ChainMac,
    erased: u64,
}

impl Walk<'_> {
    /// Walks up to the entry `last`; says whether that was all of the chain.
    async fn run(&mut self, db: &Db, head: Option<&Head>, last: i64) -> Result<Result<bool, Problem>, AuditError> {
        let Some((head, head_mac)) = head.and_then(|head| Some((head, head.chain_mac()?))) else {
            return Ok(Err(Problem::HeadMissing));
        };
        // What is sealed while this walks is behind the head that it set out for.
        let until = head.sequence.min(last);
        while self.at < until {
            let seals = next_seals(db, self.at, until).await?;
            if seals.is_empty() {
                break;
            }
            let entries = entries_of(db, &seals, &Filter::default()).await?;
            for seal in &seals {
                if let Err(problem) = self.link(seal, &entries, until) {
                    return Ok(Err(problem));
                }
            }
        }
        if self.at == last && last < head.sequence {
            return Ok(Ok(false));
        }
        if let Err(problem) = self.end(head, &head_mac) {
            return Ok(Err(problem));
        }
        Ok(match beyond(db).await? {
            None => Ok(true),
            Some(problem) => Err(problem),
        })
    }

    /// Checks the entries of the next seal, up to `until`.
    fn link(&mut self, seal: &Seal, entries: &HashMap<Uuid, KeptRow>, until: i64) -> Result<(), Problem> {
        let places = seal.places().ok_or(Problem::SealDamaged { sequence: seal.last_seq })?;
        // Where a part of a verification ended before, the next one begins amid a seal.
        let begun = self.at;
        for place in places.iter().filter(|place| place.sequence > begun && place.sequence <= until) {
            if place.sequence != self.at + 1 {
                return Err(Problem::Missing { sequence: self.at + 1 });
            }
            self.step(seal, place, entries.get(&place.id))?;
        }
        if self.at == seal.last_seq && !seal.ends_with(&self.mac) {
            return Err(Problem::SealDamaged { sequence: self.at });
        }
        Ok(())
    }

    /// Checks the next entry.
    fn step(&mut self, seal: &Seal, place: &Place, kept: Option<&KeptRow>) -> Result<(), Problem> {
        let (sequence, id) = (place.sequence, place.id);
        let kept = kept.ok_or(Problem::Missing { sequence })?;
        let mut candidates =
            self.keys.named(&seal.key_id).map(|key| kept.row.link(key, &self.mac, sequence)).peekable();
        if candidates.peek().is_none() {
            return Err(Problem::UnknownKey { sequence, key_id: seal.key_id.clone() });
        }
        let mac = candidates.find(|mac| same(&mac[..TAG], &place.tag)).ok_or(Problem::Altered { sequence, id })?;
        drop(candidates);
        self.check_person(sequence, kept)?;
        self.check_published(sequence, &mac)?;
        (self.at, self.mac) = (sequence, mac);
        Ok(())
    }

    fn check_person(&mut self, sequence: i64, kept: &KeptRow) -> Result<(), Problem> {
        let (Some(uuid), Some(personal)) = (kept.row.person, &kept.row.personal) else { return Ok(()) };
        if kept.erased_at.is_some() {
            self.erased += 1;
            return Ok(());
        }
        let person = Person::from_uuid(uuid);
        let opened = kept
            .sealed_key
            .as_deref()
            .ok_or(SealError::Format)
            .and_then(|sealed| open_key(self.ring, person, sealed))
            .and_then(|key| open_personal(&key, person, personal));
        match opened {
            Ok(_) => Ok(()),
            Err(SealError::UnknownKey(id)) => Err(Problem::UnknownKey { sequence, key_id: id.to_string() }),
            Err(_) => Err(Problem::PersonKey { sequence, person: uuid }),
        }
    }

    fn check_published(&self, sequence: i64, mac: &ChainMac) -> Result<(), Problem> {
        match self.published {
            Some(head) if head.sequence == sequence && head.chain_mac().as_ref() != Some(mac) => {
                Err(Problem::NotPublished { sequence })
            }
            _ => Ok(()),
        }
    }

    /// Checks that the chain ends where the head says.
    fn end(&self, head: &Head, head_mac: &ChainMac) -> Result<(), Problem> {
        if self.at < head.sequence {
            return Err(Problem::Truncated { last: self.at, head: head.sequence });
        }
        if !same(head_mac, &self.mac) {
            return Err(Problem::HeadForged { last: self.at, head: head.sequence });
        }
        match self.published {
            Some(published) if published.sequence > self.at => {
                Err(Problem::NotPublished { sequence: published.sequence })
            }
            _ => Ok(()),
        }
    }
}

/// What is outside the chain, though it should not be: seals behind the head, entries that are in no seal and do not wait for
/// one. One statement sees it all at one moment.
async fn beyond(db: &Db) -> Result<Option<Problem>, DbError> {
    let (entries, waiting, last, head): (i64, i64, i64, i64) = fetch_one!(
        db,
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM audit_entries), (SELECT COUNT(*) FROM audit_unsealed),
                    (SELECT COALESCE(MAX(last_seq), 0) FROM audit_seals),
                    (SELECT COALESCE(MAX(seq), 0) FROM audit_head WHERE id = 1)"
        )
    )?;
    let counted = entries == head.saturating_add(waiting);
    Ok(match (last > head, counted) {
        (true, _) => Some(Problem::HeadForged { last, head }),
        (false, false) => Some(Problem::Uncounted { entries, sealed: head, waiting }),
        (false, true) => None,
    })
}
