//! What the catalogue says of each table, done: some rows at a time, each time those that are left.

use sqlx::AssertSqlSafe;

use crate::{
    db::{Db, DbError, Tx},
    execute,
    privacy::{
        catalogue::{Rows, Table, spelled, tables},
        subject::{Subject, bind_subject},
    },
};

/// How many rows one transaction changes, so that it never holds others up for long.
const BATCH: i64 = 500;

/// Overwrites and deletes in all tables but those by which the others find what is theirs.
pub(super) async fn overwrite(db: &Db, subject: &Subject) -> Result<(), DbError> {
    for table in tables() {
        let statement = match table.rows {
            Rows::Overwritten => update(table),
            Rows::Deleted => delete(table),
            Rows::Kept(_) | Rows::Last | Rows::Afterwards | Rows::Otherwise(_) => None,
        };
        if let Some(statement) = statement {
            all(db, subject, &statement).await?;
        }
    }
    Ok(())
}

/// Deletes what is kept until the last letter went.
pub(in crate::privacy) async fn delete_afterwards(db: &Db, subject: &Subject) -> Result<(), DbError> {
    for statement in tables().filter(|table| table.rows == Rows::Afterwards).filter_map(delete) {
        all(db, subject, &statement).await?;
    }
    Ok(())
}

/// Overwrites the account itself and what holds its purchases.
pub(super) async fn overwrite_last(tx: &mut Tx, subject: &Subject) -> Result<(), DbError> {
    // The tenants are found by the account's address.
    let mut last: Vec<&Table> = tables().filter(|table| table.rows == Rows::Last).collect();
    last.sort_by_key(|table| table.name == "users");
    for statement in last.into_iter().filter_map(update) {
        let statement = spelled(&statement, tx.dialect());
        execute!(tx, bind_subject!(sqlx::query(AssertSqlSafe(statement.as_str())), subject).bind(i64::MAX))?;
    }
    Ok(())
}

async fn all(db: &Db, subject: &Subject, statement: &str) -> Result<(), DbError> {
    let statement = spelled(statement, db.dialect());
    loop {
        let changed = db
            .write(async |tx| {
                execute!(tx, bind_subject!(sqlx::query(AssertSqlSafe(statement.as_str())), subject).bind(BATCH))
            })
            .await?;
        if changed < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Overwrites the rows that are not overwritten yet.
fn update(table: &Table) -> Option<String> {
    let set: Vec<_> = table.overwritten().map(|(name, becomes)| format!("{name} = {becomes}")).collect();
    let left: Vec<_> =
        table.overwritten().map(|(name, becomes)| format!("{name} IS DISTINCT FROM {becomes}")).collect();
    let (name, key, whose) = (table.name, table.key, table.whose?);
    (!set.is_empty()).then(|| {
        let (set, left) = (set.join(", "), left.join(" OR "));
        format!(
            "UPDATE {name} SET {set} WHERE ({key}) IN
                 (SELECT {key} FROM {name} WHERE ({whose}) AND ({left}) LIMIT $8)"
        )
    })
}

fn delete(table: &Table) -> Option<String> {
    let (name, key, whose) = (table.name, table.key, table.whose?);
    Some(format!("DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} WHERE {whose} LIMIT $8)"))
}
