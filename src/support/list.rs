//! Lists of tickets: a customer's own, and those at a desk, filtered and in an order, a page at a time.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{
    Agent, Category, Priority, Status, Ticket,
    ticket::{COLUMNS, FROM},
};
use crate::{
    catalog::CursorError,
    db::{Db, DbError, Dialect},
    fetch_all,
    kernel::{Page, PageFrom, PageRequest, TenantId, TicketId, UserId},
    text_enum,
};

text_enum! {
    /// In which order.
    pub enum TicketSort {
        /// The last opened first.
        Newest = "newest",
        /// The first opened first.
        Oldest = "oldest",
        /// Where something happened last first.
        Updated = "updated",
        /// What is due soonest first; what waits for its customer last.
        Due = "due",
        /// What presses most first.
        Priority = "priority",
    }
}

/// Whose tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Care {
    /// Anybody's.
    #[default]
    Any,
    /// Nobody's.
    Nobody,
    /// This one's.
    Of(UserId),
}

/// Which tickets; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct TicketFilter {
    /// That stand there.
    pub status: Option<Status>,
    /// That press so much.
    pub priority: Option<Priority>,
    /// About this.
    pub category: Option<Category>,
    /// Who cares for them.
    pub assignee: Care,
    /// Whose targets were missed, or were not.
    pub breached: Option<bool>,
    /// In which order; the last opened first if nothing is said.
    pub sort: Option<TicketSort>,
}

/// A place in a list: what it is ordered by, and the ticket there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketCursor {
    #[serde(rename = "s")]
    sort: TicketSort,
    #[serde(rename = "n")]
    number: i64,
    #[serde(rename = "i")]
    id: TicketId,
}

impl FromStr for TicketCursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = BASE64.decode(text).map_err(|_| CursorError::Malformed)?;
        serde_json::from_slice(&bytes).map_err(|_| CursorError::Malformed)
    }
}

impl fmt::Display for TicketCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts and a number always serialise.
        f.write_str(&BASE64.encode(serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The cursor is not of this list.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    ticket: Ticket,
    sort_number: i64,
}

/// What an order compares, as a number, and whether the largest comes first.
fn order(sort: TicketSort, dialect: Dialect) -> (&'static str, bool) {
    match sort {
        TicketSort::Newest => (dialect.pick("0", "0::bigint"), true),
        TicketSort::Oldest => (dialect.pick("0", "0::bigint"), false),
        TicketSort::Updated => {
            (dialect.pick("t.updated_at", "(EXTRACT(EPOCH FROM t.updated_at) * 1000000)::bigint"), true)
        }
        TicketSort::Due => (
            dialect.pick(
                "CASE WHEN t.stopped_at IS NOT NULL THEN 9223372036854775807
                      WHEN t.first_responded_at IS NULL THEN t.first_response_due_at ELSE t.resolution_due_at END",
                "CASE WHEN t.stopped_at IS NOT NULL THEN 9223372036854775807
                      ELSE (EXTRACT(EPOCH FROM CASE WHEN t.first_responded_at IS NULL THEN t.first_response_due_at
                                ELSE t.resolution_due_at END) * 1000000)::bigint END",
            ),
            false,
        ),
        TicketSort::Priority => (
            dialect.pick(
                "CASE t.priority WHEN 'urgent' THEN 3 WHEN 'high' THEN 2 WHEN 'normal' THEN 1 ELSE 0 END",
                "CASE t.priority WHEN 'urgent' THEN 3::bigint WHEN 'high' THEN 2 WHEN 'normal' THEN 1 ELSE 0 END",
            ),
            true,
        ),
    }
}

/// Whether a target was missed by the time in parameter 10.
const BREACHED: &str = "(t.first_response_breached_at IS NOT NULL OR t.resolution_breached_at IS NOT NULL
    OR (t.stopped_at IS NULL AND (t.resolution_due_at <= $10
        OR (t.first_responded_at IS NULL AND t.first_response_due_at <= $10))))";

fn statement(sort: TicketSort, backwards: bool, dialect: Dialect) -> String {
    let (number, descending) = order(sort, dialect);
    let (sign, direction) = if descending == backwards { (">", "ASC") } else { ("<", "DESC") };
    format!(
        "SELECT * FROM (SELECT {COLUMNS}, {number} AS sort_number FROM {FROM}
             WHERE ($1 IS NULL OR t.tenant_id = $1)
                 AND ($2 IS NULL OR (t.developer_id = $2 AND (t.requester_id IS NULL OR t.requester_id <> $3)))
                 AND ($4 IS NULL OR t.status = $4) AND ($5 IS NULL OR t.priority = $5)
                 AND ($6 IS NULL OR t.category = $6)
                 AND ($7 IS NULL OR t.assignee_id = $7) AND ($8 = 0 OR t.assignee_id IS NULL)
                 AND ($9 IS NULL OR {BREACHED} = $9)) listed
         WHERE ($11 = 0 OR sort_number {sign} $12 OR (sort_number = $12 AND id {sign} $13))
         ORDER BY sort_number {direction}, id {direction} LIMIT $14"
    )
}

enum Whose {
    Tenant(TenantId),
    Desk(Agent),
}

/// The tickets at a desk.
pub async fn list_at_desk(
    db: &Db,
    agent: &Agent,
    filter: &TicketFilter,
    page: PageRequest<TicketCursor>,
) -> Result<Page<Ticket>, ListError> {
    list(db, &Whose::Desk(*agent), filter, page).await
}

/// A tenant's tickets, the last opened first.
pub async fn list_tickets(
    db: &Db,
    tenant: TenantId,
    status: Option<Status>,
    page: PageRequest<TicketCursor>,
) -> Result<Page<Ticket>, ListError> {
    list(db, &Whose::Tenant(tenant), &TicketFilter { status, ..TicketFilter::default() }, page).await
}

async fn list(
    db: &Db,
    whose: &Whose,
    filter: &TicketFilter,
    page: PageRequest<TicketCursor>,
) -> Result<Page<Ticket>, ListError> {
    let sort = filter.sort.unwrap_or(TicketSort::Newest);
    let (cursor, backwards) = match &page.from {
        PageFrom::Start => (None, false),
        PageFrom::After(cursor) => (Some(cursor), false),
        PageFrom::Before(cursor) => (Some(cursor), true),
    };
    if cursor.is_some_and(|cursor| cursor.sort != sort) {
        return Err(CursorError::OtherOrder.into());
    }
    let (tenant, developer, user) = match whose {
        Whose::Tenant(tenant) => (Some(*tenant), None, None),
        Whose::Desk(agent) => (None, agent.developer, Some(agent.user)),
    };
    let assignee = if let Care::Of(user) = filter.assignee { Some(user) } else { None };
    let text = statement(sort, backwards, db.dialect());
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(tenant)
            .bind(developer)
            .bind(user)
            .bind(filter.status.map(Status::as_str))
            .bind(filter.priority.map(Priority::as_str))
            .bind(filter.category.map(Category::as_str))
            .bind(assignee)
            .bind(i64::from(filter.assignee == Care::Nobody))
            .bind(filter.breached)
            .bind(db.now())
            .bind(i64::from(cursor.is_some()))
            .bind(cursor.map_or(0, |cursor| cursor.number))
            .bind(cursor.map_or(Uuid::nil(), |cursor| cursor.id.uuid()))
            .bind(page.fetch())
    )?;
    let place = |row: &Row| TicketCursor { sort, number: row.sort_number, id: row.ticket.id };
    Ok(Page::of(rows, &page, place).map(|row| row.ticket))
}
