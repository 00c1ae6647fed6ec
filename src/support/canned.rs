//! Answers that are written once and given often, with places for what differs.
//!
//! A place is written `{{customer.name}}`. What is put there is text and nothing else: it is not looked through again, so
//! a customer whose name looks like a place gets it back as it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};

use super::{
    EditError, Ticket,
    flaw::{self, Flaws, LONGEST_BODY},
};
use crate::{
    accounts::By,
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional, id_type,
    kernel::{Page, PageFrom, PageRequest, Time},
};

id_type!(CannedAnswerId, CannedAnswerMarker, "ans", "An answer that is given often.");

/// What can stand in a place.
pub const PLACES: [&str; 8] = [
    "customer.name",
    "ticket.id",
    "ticket.subject",
    "product.title",
    "order.id",
    "license.id",
    "agent.name",
    "shop.name",
];

/// What can be said about an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedFields {
    /// How those who answer find it.
    pub title: String,
    /// What it says, with its places.
    pub body: String,
}

/// A part of them, for a change.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedPatch {
    /// Another title.
    pub title: Option<String>,
    /// Another text.
    pub body: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct CannedAnswer {
    /// Which one.
    pub id: CannedAnswerId,
    /// How it is found.
    pub title: String,
    /// What it says.
    pub body: String,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

const SELECT: &str = "SELECT id, title, body, revision, created_at, updated_at FROM canned_answers";

fn check(fields: &CannedFields) -> Result<(), EditError> {
    let mut flaws = Flaws::default();
    flaws.line("title", &fields.title, 100);
    flaws.text("body", &fields.body, LONGEST_BODY);
    let unknown = pieces(&fields.body).find_map(|piece| match piece {
        Piece::Place(name) if !PLACES.contains(&name) => Some(name.chars().take(40).collect::<String>()),
        Piece::Place(_) | Piece::Text(_) => None,
    });
    if let Some(name) = unknown {
        flaws.add("body", format!("there is no place {{{{{name}}}}}; there are {}", PLACES.join(", ")));
    }
    flaws.done().map_err(EditError::Invalid)
}

/// An answer.
pub async fn canned_answer(db: &Db, id: CannedAnswerId) -> Result<Option<CannedAnswer>, DbError> {
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(format!("{SELECT} WHERE id = $1"))).bind(id))
}

/// All answers, the last made first.
pub async fn canned_answers(db: &Db, page: PageRequest<CannedAnswerId>) -> Result<Page<CannedAnswer>, DbError> {
    let (sign, order, cursor) = match page.from {
        PageFrom::Start => ("<", "DESC", None),
        PageFrom::After(id) => ("<", "DESC", Some(id)),
        PageFrom::Before(id) => (">", "ASC", Some(id)),
    };
    let text = format!("{SELECT} WHERE ($1 IS NULL OR id {sign} $1) ORDER BY id {order} LIMIT $2");
    let rows = fetch_all!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(cursor).bind(page.fetch()))?;
    Ok(Page::of(rows, &page, |answer: &CannedAnswer| answer.id))
}

/// Adds an answer.
pub async fn create_canned(tx: &mut Tx, fields: CannedFields, by: &By) -> Result<CannedAnswer, EditError> {
    check(&fields)?;
    let (id, now): (CannedAnswerId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO canned_answers (id, title, body, revision, created_at, updated_at)
             VALUES ($1, $2, $3, 1, $4, $4) ON CONFLICT DO NOTHING"
        )
        .bind(id)
        .bind(&fields.title)
        .bind(&fields.body)
        .bind(now)
    )?;
    if made == 0 {
        return Err(EditError::Taken("title"));
    }
    tx.audit(by.did("canned_answer.created", "canned_answer", id));
    let CannedFields { title, body } = fields;
    Ok(CannedAnswer { id, title, body, revision: 1, created_at: now, updated_at: now })
}

async fn lock(tx: &mut Tx, id: CannedAnswerId, revision: i64) -> Result<CannedAnswer, EditError> {
    let suffix = tx.dialect().pick("", " FOR UPDATE");
    let text = format!("{SELECT} WHERE id = $1{suffix}");
    let found: Option<CannedAnswer> = fetch_optional!(tx, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))?;
    let found = found.ok_or(EditError::NotFound)?;
    if found.revision == revision { Ok(found) } else { Err(EditError::Stale) }
}

/// Changes what the patch names, if the answer is still at `revision`.
pub async fn patch_canned(
    tx: &mut Tx,
    id: CannedAnswerId,
    revision: i64,
    patch: CannedPatch,
    by: &By,
) -> Result<CannedAnswer, EditError> {
    let current = lock(tx, id, revision).await?;
    let fields = CannedFields {
        title: patch.title.unwrap_or_else(|| current.title.clone()),
        body: patch.body.unwrap_or_else(|| current.body.clone()),
    };
    if fields.title == current.title && fields.body == current.body {
        return Ok(current);
    }
    check(&fields)?;
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE canned_answers SET title = $3, body = $4, revision = revision + 1, updated_at = $5
             WHERE id = $1 AND revision = $2"
        )
        .bind(id)
        .bind(revision)
        .bind(&fields.title)
        .bind(&fields.body)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "title"))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    tx.audit(by.did("canned_answer.changed", "canned_answer", id));
    let CannedFields { title, body } = fields;
    Ok(CannedAnswer { title, body, revision: revision + 1, updated_at: now, ..current })
}

/// Removes an answer.
pub async fn delete_canned(tx: &mut Tx, id: CannedAnswerId, revision: i64, by: &By) -> Result<(), EditError> {
    lock(tx, id, revision).await?;
    execute!(tx, sqlx::query("DELETE FROM canned_answers WHERE id = $1 AND revision = $2").bind(id).bind(revision))?;
    tx.audit(by.did("canned_answer.deleted", "canned_answer", id));
    Ok(())
}

/// Who answers, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// What the one who answers is called.
    pub agent: &'a str,
    /// What the shop is called.
    pub shop: &'a str,
}

/// An answer for a ticket, its places filled.
#[must_use]
pub fn fill(body: &str, ticket: &Ticket, signature: Signature<'_>) -> String {
    let id = |id: Option<String>| id.unwrap_or_default();
    let value = |name: &str| match name {
        "customer.name" => ticket.requester_name.clone().unwrap_or_default(),
        "ticket.id" => ticket.id.to_string(),
        "ticket.subject" => ticket.subject.clone(),
        "product.title" => ticket.product_title.clone().unwrap_or_default(),
        "order.id" => id(ticket.order_id.map(|id| id.to_string())),
        "license.id" => id(ticket.license_id.map(|id| id.to_string())),
        "agent.name" => signature.agent.to_owned(),
        "shop.name" => signature.shop.to_owned(),
        // None is kept that has another.
        _ => String::new(),
    };
    let filled = pieces(body).map(|piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Place(name) => value(name).chars().filter(|c| !flaw::unwanted(*c)).collect(),
    });
    filled.collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// A text cut at its places.
fn pieces(mut rest: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut place = None;
    std::iter::from_fn(move || {
        if let Some(name) = place.take() {
            return Some(Piece::Place(name));
        }
        if rest.is_empty() {
            return None;
        }
        let found = rest.find("{{").and_then(|open| {
            let close = rest[open..].find("}}")? + open;
            Some((open, close))
        });
        let (text, after) = match found {
            Some((open, close)) => {
                place = Some(rest[open + 2..close].trim());
                (&rest[..open], &rest[close + 2..])
            }
            None => (rest, ""),
        };
        rest = after;
        Some(Piece::Text(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_places() {
        use Piece::{Place, Text};
        for (text, expected) in [
            ("", vec![]),
            ("Hello", vec![Text("Hello")]),
            ("{{a}}", vec![Text(""), Place("a")]),
            ("Hello {{ customer.name }}, bye", vec![Text("Hello "), Place("customer.name"), Text(", bye")]),
            ("{{a}}{{b}}", vec![Text(""), Place("a"), Text(""), Place("b")]),
            ("an {{ open one", vec![Text("an {{ open one")]),
            ("}} {{", vec![Text("}} {{")]),
        ] {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_place_is_refused() {
        let fields = |body: &str| CannedFields { title: "A".to_owned(), body: body.to_owned() };
        check(&fields("Dear {{customer.name}}, {{ticket.id}}")).expect("known");
        for body in ["{{customer.password}}", "{{}}", "{{ {{customer.name}} }}"] {
            assert!(matches!(check(&fields(body)), Err(EditError::Invalid(_))), "{body}");
        }
    }
}
