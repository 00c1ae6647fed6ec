//! What is written down by the way and has no owner: it is searched for what names the person.

use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::{
    db::{Db, DbError, Dialect},
    execute, fetch_all,
    kernel::{OrderId, seal},
    privacy::subject::Subject,
};

/// How many rows are changed at a time, and how many names are looked for at once.
const FEW: i64 = 200;

/// A table that is searched.
struct Searched {
    name: &'static str,
    /// What is searched.
    found: &'static str,
    /// Which rows can be overwritten.
    only: &'static str,
    /// How.
    set: &'static str,
}

/// Whoever has a job to do still needs what it says; the sweep later finds it ended.
const ENDED: &str = "state IN ('completed', 'cancelled', 'discarded')";

const BY_ADDRESS: [Searched; 3] = [
    Searched { name: "jobs", found: "errors", only: "TRUE", set: "errors = NULL" },
    Searched { name: "jobs", found: "payload", only: ENDED, set: "payload = '{}'" },
    Searched { name: "domain_events", found: "payload", only: "TRUE", set: "payload = '{}'" },
];

/// An event is needed until it was handled; afterwards only that it came.
const INBOX: Searched = Searched {
    name: "webhook_inbox",
    found: "payload",
    only: "handled_at IS NOT NULL",
    set: "payload = '{\"erased\":true}', detail = NULL",
};

/// Searches what is written down by the way.
pub(super) async fn search(db: &Db, subject: &Subject) -> Result<(), DbError> {
    let mut names = names(db, subject).await?;
    if subject.email != subject.tombstone {
        for table in &BY_ADDRESS {
            overwrite(db, table, std::slice::from_ref(&subject.email)).await?;
        }
        names.push(subject.email.clone());
    }
    for some in names.chunks(usize::try_from(FEW).unwrap_or(1)) {
        overwrite(db, &INBOX, some).await?;
    }
    Ok(())
}

/// What a payment provider's events call the person's orders and payments.
async fn names(db: &Db, subject: &Subject) -> Result<Vec<String>, DbError> {
    let orders = subject.ids(db, "SELECT id FROM orders WHERE id IN ({orders})").await?;
    let mut names: Vec<String> = orders.into_iter().map(|id| OrderId::from_uuid(id).to_string()).collect();
    for of in [
        "SELECT provider_ref FROM payments WHERE order_id IN ({orders})",
        "SELECT charge_ref FROM payments WHERE order_id IN ({orders}) AND charge_ref IS NOT NULL",
        "SELECT provider_ref FROM subscriptions WHERE order_id IN ({orders})",
        "SELECT provider_ref FROM refunds WHERE order_id IN ({orders}) AND provider_ref IS NOT NULL",
    ] {
        names.extend(subject.texts(db, of).await?);
    }
    // A name of some characters would be found in anything.
    names.retain(|name| name.len() >= 8);
    Ok(names.into_iter().map(|name| name.to_lowercase()).collect())
}

async fn overwrite(db: &Db, table: &Searched, names: &[String]) -> Result<(), DbError> {
    let Searched { name, found, only, set } = table;
    let names = json!(names).to_string();
    let (mentions, these) = match db.dialect() {
        Dialect::Sqlite => (
            format!("EXISTS (SELECT 1 FROM json_each($1) n WHERE instr(lower({found}), n.value) > 0)"),
            "SELECT unhex(value) FROM json_each($1)",
        ),
        Dialect::Postgres => (
            format!(
                "EXISTS (SELECT 1 FROM jsonb_array_elements_text($1::jsonb) n(value)
                     WHERE strpos(lower({found}), n.value) > 0)"
            ),
            "SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)",
        ),
    };
    let select = format!("SELECT id FROM {name} WHERE {only} AND {mentions} AND id > $2 ORDER BY id LIMIT $3");
    let update = format!("UPDATE {name} SET {set} WHERE {only} AND id IN ({these})");
    let mut after = Uuid::nil();
    loop {
        let page: Vec<Uuid> =
            fetch_all!(db, sqlx::query_scalar(AssertSqlSafe(select.as_str())).bind(&names).bind(after).bind(FEW))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = *last;
        let ids: Vec<String> = page.iter().map(|id| seal::to_hex(id.as_bytes())).collect();
        let ids = json!(ids).to_string();
        db.write(async |tx| execute!(tx, sqlx::query(AssertSqlSafe(update.as_str())).bind(&ids))).await?;
    }
}
