//! Flags and switches in the database.

use sqlx::FromRow;

use super::{ChangedBy, Switch};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_one, fetch_optional,
    kernel::Time,
};

/// A flag as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct FlagRow {
    pub(super) key: String,
    pub(super) definition: String,
    pub(super) version: i64,
    pub(super) changed_by: String,
    pub(super) changed_at: Time,
}

/// A switch as it is stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SwitchRow {
    pub(super) name: String,
    pub(super) killed: bool,
    pub(super) reason: Option<String>,
    pub(super) changed_by: Option<String>,
    pub(super) changed_at: Option<Time>,
}

/// Everything that is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) revision: i64,
    pub(super) switches: Vec<SwitchRow>,
    pub(super) flags: Vec<FlagRow>,
}

/// The one cheap read that tells whether anything changed.
pub(super) async fn revision(db: &Db) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT revision FROM flag_revision WHERE id = 1"))
}

pub(super) async fn load(db: &Db) -> Result<Stored, DbError> {
    // The revision first: a change that commits between these reads is newer than it, and read again by the next poll.
    let revision = revision(db).await?;
    let switches =
        fetch_all!(db, sqlx::query_as("SELECT name, killed, reason, changed_by, changed_at FROM kill_switches"))?;
    let flags = fetch_all!(db, sqlx::query_as("SELECT key, definition, version, changed_by, changed_at FROM flags"))?;
    Ok(Stored { revision, switches, flags })
}

/// Counts a change. From here to the commit no other change goes on.
pub(super) async fn bump(tx: &mut Tx) -> Result<i64, DbError> {
    fetch_one!(
        tx,
        sqlx::query_scalar("UPDATE flag_revision SET revision = revision + 1 WHERE id = 1 RETURNING revision")
    )
}

/// Flips a switch; `None` if it stands like that already.
pub(super) async fn flip(
    tx: &mut Tx,
    switch: Switch,
    killed: bool,
    by: &ChangedBy,
) -> Result<Option<SwitchRow>, DbError> {
    let now = tx.now();
    fetch_optional!(
        tx,
        sqlx::query_as(
            "UPDATE kill_switches SET killed = $1, reason = $2, changed_by = $3, changed_at = $4
             WHERE name = $5 AND killed <> $1 RETURNING name, killed, reason, changed_by, changed_at"
        )
        .bind(killed)
        .bind(by.reason())
        .bind(by.actor().to_string())
        .bind(now)
        .bind(switch.as_str())
    )
}

pub(super) async fn find(tx: &mut Tx, key: &str) -> Result<Option<FlagRow>, DbError> {
    fetch_optional!(
        tx,
        sqlx::query_as("SELECT key, definition, version, changed_by, changed_at FROM flags WHERE key = $1").bind(key)
    )
}

/// Adds a flag; false if there is one of its key.
pub(super) async fn insert(tx: &mut Tx, row: &FlagRow, kind: &str) -> Result<bool, DbError> {
    let added = execute!(
        tx,
        sqlx::query(
            "INSERT INTO flags (key, kind, definition, version, changed_by, changed_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (key) DO NOTHING"
        )
        .bind(&row.key)
        .bind(kind)
        .bind(&row.definition)
        .bind(row.version)
        .bind(&row.changed_by)
        .bind(row.changed_at)
    )?;
    Ok(added == 1)
}

/// Changes a flag that is still at `version`; false if it is not.
pub(super) async fn update(tx: &mut Tx, row: &FlagRow, version: i64) -> Result<bool, DbError> {
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE flags SET definition = $1, version = $2, changed_by = $3, changed_at = $4
             WHERE key = $5 AND version = $6"
        )
        .bind(&row.definition)
        .bind(row.version)
        .bind(&row.changed_by)
        .bind(row.changed_at)
        .bind(&row.key)
        .bind(version)
    )?;
    Ok(changed == 1)
}

/// Removes a flag that is still at `version`; false if it is not.
pub(super) async fn delete(tx: &mut Tx, key: &str, version: i64) -> Result<bool, DbError> {
    let removed =
        execute!(tx, sqlx::query("DELETE FROM flags WHERE key = $1 AND version = $2").bind(key).bind(version))?;
    Ok(removed == 1)
}
