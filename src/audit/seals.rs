//! The links of the chain as they lie in the table: some entries each, with the beginnings of their hashes.

use std::collections::HashMap;

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{
    Filter,
    chain::{ChainMac, KeptRow, select_kept},
    list::bind_filter,
};
use crate::{
    db::{AppendTable, Column, Db, DbError, Dialect, Tx},
    fetch_all,
    kernel::{
        Time,
        seal::{from_hex, same, to_hex},
    },
};

/// How much of an entry's hash stands beside its identifier, in bytes: enough to name the entry that was altered. The whole
/// hash of a seal's last entry covers them all.
pub(super) const TAG: usize = 8;
/// What an entry takes in [`Seal::entries`], in characters.
const PLACE: usize = 2 * (16 + TAG);

/// A seal: the entries from one sequence number to another.
#[derive(Debug, FromRow)]
pub(super) struct Seal {
    pub(super) last_seq: i64,
    pub(super) first_seq: i64,
    entries: String,
    pub(super) key_id: String,
    mac: String,
}

/// An entry's place in the chain, as its seal has it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) sequence: i64,
    pub(super) id: Uuid,
    pub(super) tag: Vec<u8>,
}

impl Seal {
    /// Its entries in order; none if it is not written as a seal is.
    pub(super) fn places(&self) -> Option<Vec<Place>> {
        let place = |(number, text): (usize, &[u8])| {
            let bytes = from_hex(std::str::from_utf8(text).ok()?)?;
            let (id, tag) = bytes.split_first_chunk::<16>()?;
            let sequence = self.first_seq.checked_add(i64::try_from(number).ok()?)?;
            Some(Place { sequence, id: Uuid::from_bytes(*id), tag: tag.to_vec() })
        };
        let places: Vec<_> = self.entries.as_bytes().chunks(PLACE).enumerate().map(place).collect::<Option<_>>()?;
        (places.last()?.sequence == self.last_seq).then_some(places)
    }

    /// Whether `mac` is the hash of its last entry.
    pub(super) fn ends_with(&self, mac: &ChainMac) -> bool {
        from_hex(&self.mac).is_some_and(|stored| same(&stored, mac))
    }
}

static AUDIT_SEALS: AppendTable = AppendTable::new(
    "audit_seals",
    &[
        ("last_seq", Column::Int),
        ("first_seq", Column::Int),
        ("entries", Column::Text),
        ("key_id", Column::Text),
        ("mac", Column::Text),
        ("sealed_at", Column::Time),
    ],
);

/// A seal in the making.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    entries: String,
    ids: Vec<String>,
}

impl Sealing {
    pub(super) fn push(&mut self, id: Uuid, mac: &ChainMac) {
        let id = id.simple().to_string();
        self.entries.push_str(&id);
        self.entries.push_str(&to_hex(&mac[..TAG]));
        self.ids.push(id);
    }

    pub(super) const fn count(&self) -> usize {
        self.ids.len()
    }

    /// The identifiers of its entries, as JSON.
    pub(super) fn ids(&self) -> String {
        json!(self.ids).to_string()
    }

    /// Writes the seal of the entries up to `last` with the commit.
    pub(super) fn write(&self, tx: &mut Tx, (last, mac): (i64, &str), key_id: &str, now: Time) {
        let first = last + 1 - i64::try_from(self.count()).unwrap_or(i64::MAX);
        tx.append(&AUDIT_SEALS, |row| {
            row.int(last).int(first).text(self.entries.as_str()).text(key_id).text(mac).time(now);
        });
    }
}

/// How many seals, and entries of theirs, are read at a time; one seal at least, however many it has.
const SEALS: i64 = 100;
const ENTRIES: i64 = 1_000;

/// The seals that have entries behind `after` and up to `until`, in order: the next few.
pub(super) async fn next_seals(db: &Db, after: i64, until: i64) -> Result<Vec<Seal>, DbError> {
    let mut seals: Vec<Seal> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT last_seq, first_seq, entries, key_id, mac FROM audit_seals
             WHERE last_seq > $1 AND first_seq <= $2 ORDER BY last_seq LIMIT $3"
        )
        .bind(after)
        .bind(until)
        .bind(SEALS)
    )?;
    let enough =
        seals.iter().position(|seal| seal.last_seq.saturating_sub(after) > ENTRIES).map_or(seals.len(), |at| at.max(1));
    seals.truncate(enough);
    Ok(seals)
}

/// Those of the entries in `seals` that are there and fit `filter`, by their identifiers.
pub(super) async fn entries_of(db: &Db, seals: &[Seal], filter: &Filter) -> Result<HashMap<Uuid, KeptRow>, DbError> {
    let ids: Vec<String> = seals
        .iter()
        .flat_map(|seal| seal.places().unwrap_or_default())
        .map(|place| place.id.simple().to_string())
        .collect();
    let text = format!("{}{}", db.dialect().pick(KEPT_SQLITE, KEPT_POSTGRES), filter.conditions());
    let rows: Vec<KeptRow> = fetch_all!(
        db,
        bind_filter!(sqlx::query_as(AssertSqlSafe(text.as_str())), filter).bind(json!(ids).to_string())
    )?;
    Ok(rows.into_iter().map(|row| (row.row.id, row)).collect())
}

const KEPT_SQLITE: &str = select_kept!("e.id IN (SELECT unhex(value) FROM json_each($12))");
const KEPT_POSTGRES: &str =
    select_kept!("e.id = ANY (ARRAY(SELECT r::uuid FROM jsonb_array_elements_text($12::jsonb) r))");

/// Takes the marks of entries away that are sealed now. Gives how many there were.
pub(super) const fn unmark(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "DELETE FROM audit_unsealed WHERE id IN (SELECT unhex(value) FROM json_each($1))",
        Dialect::Postgres => {
            "DELETE FROM audit_unsealed WHERE id = ANY (ARRAY(SELECT r::uuid FROM jsonb_array_elements_text($1::jsonb) r))"
        }
    }
}
