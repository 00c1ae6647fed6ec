//! Reading the trail: filters, and pages by cursor.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    Actor, AuditEntryId, AuditError,
    chain::{KeptRow, select_kept},
    people::{Person, open_key, open_personal},
};
use crate::{
    db::{Db, page_by_time, place_of},
    fetch_all, fetch_optional,
    kernel::{self, ByTime, PageFrom, Sort, Time, ids_between, seal::Keyring},
};

/// Which entries; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Done by this one.
    pub actor: Option<Actor>,
    /// Done by one of this kind.
    pub actor_kind: Option<String>,
    /// On this request.
    pub request_id: Option<String>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
    /// This action, e.g. `flag.changed`.
    pub action: Option<String>,
    /// Done to things of this type.
    pub object_type: Option<String>,
    /// Done to the thing of this name.
    pub object_id: Option<String>,
    /// Not before this time.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
}

/// Which page of a list, the newest entry first.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// How many entries at most, 1 to 1000.
    pub limit: u16,
    /// Entries behind this one, the last of the page before.
    pub after: Option<AuditEntryId>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, after: None }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// The entries.
    pub data: Vec<Record>,
    /// Whether there are more behind them.
    pub has_more: bool,
    /// What to give as [`PageRequest::after`] to get them.
    pub next_cursor: Option<AuditEntryId>,
}

/// Whether personal data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosure {
    /// As it is stored, sealed: enough to verify the chain.
    Sealed,
    /// Opened, where the person's key still exists.
    Opened,
}

/// An entry, as it is shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub struct Record {
    /// Its id.
    pub id: AuditEntryId,
    /// When it was done.
    pub occurred_at: Time,
    /// `user`, `operator`, `system` or `provider`.
    pub actor_kind: String,
    /// Which of that kind.
    pub actor_id: String,
    /// What was done.
    pub action: String,
    /// To a thing of which type.
    pub object_type: String,
    /// To which thing.
    pub object_id: String,
    /// How it was before; as text if it is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// How it is after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// On which request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whose personal data is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "uuid"))]
    pub person: Option<Uuid>,
    /// That data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<PersonalView>,
    /// Whether it has its place in the chain; an export tells which.
    pub sealed: bool,
}

/// Personal data, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AuditPersonalData")]
pub enum PersonalView {
    /// Readable.
    Opened(Value),
    /// As it is stored.
    Sealed(String),
    /// The person was erased; nobody can read it.
    Erased,
    /// The person's key is missing or does not open it.
    Unreadable,
}

impl Record {
    pub(super) fn of(kept: KeptRow, opener: Option<&Keyring>) -> Self {
        let personal = personal_view(&kept, opener);
        let KeptRow { row, sealed, .. } = kept;
        let json = |text: Option<String>| text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        Self {
            id: AuditEntryId::from_uuid(row.id),
            occurred_at: row.occurred_at,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            action: row.action,
            object_type: row.object_type,
            object_id: row.object_id,
            before: json(row.before_json),
            after: json(row.after_json),
            reason: row.reason,
            request_id: row.request_id,
            person: row.person,
            personal,
            sealed,
        }
    }
}

fn personal_view(kept: &KeptRow, keys: Option<&Keyring>) -> Option<PersonalView> {
    let (person, personal) = (Person::from_uuid(kept.row.person?), kept.row.personal.as_deref()?);
    if kept.erased_at.is_some() {
        return Some(PersonalView::Erased);
    }
    let Some(keys) = keys else { return Some(PersonalView::Sealed(personal.to_owned())) };
    let opened = kept
        .sealed_key
        .as_deref()
        .and_then(|sealed| open_key(keys, person, sealed).ok())
        .and_then(|key| open_personal(&key, person, personal).ok());
    Some(opened.map_or(PersonalView::Unreadable, PersonalView::Opened))
}

impl Filter {
    /// The conditions that are set, for parameters `$1` to `$11`; the others' parameters go unused.
    pub(super) fn conditions(&self) -> String {
        let set = [
            (self.actor.is_some(), " AND e.actor_kind = $1 AND e.actor_id = $2"),
            (self.action.is_some(), " AND e.action = $3"),
            (self.object_type.is_some(), " AND e.object_type = $4"),
            (self.object_id.is_some(), " AND e.object_id = $5"),
            (self.since.is_some(), " AND e.occurred_at >= $6 AND e.id >= $8"),
            (self.until.is_some(), " AND e.occurred_at < $7 AND e.id < $9"),
            (self.actor_kind.is_some(), " AND e.actor_kind = $10"),
            (self.request_id.is_some(), " AND e.request_id = $11"),
        ];
        set.into_iter().filter_map(|(is_set, text)| is_set.then_some(text)).collect()
    }

    /// The ids of the entries between its times.
    pub(super) fn ids(&self) -> (Uuid, Uuid) {
        ids_between(self.since, self.until)
    }
}

/// Binds a filter's eleven parameters to a query.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.actor.as_ref().map($crate::audit::Actor::kind))
            .bind($filter.actor.as_ref().map($crate::audit::Actor::id))
            .bind($filter.action.as_deref())
            .bind($filter.object_type.as_deref())
            .bind($filter.object_id.as_deref())
            .bind($filter.since)
            .bind($filter.until)
            .bind($filter.ids().0)
            .bind($filter.ids().1)
            .bind($filter.actor_kind.as_deref())
            .bind($filter.request_id.as_deref())
    };
}
pub(super) use bind_filter;

/// The entries that fit `filter`, the newest first. `keys` open personal data, if it is to be disclosed.
pub async fn list(
    db: &Db,
    keys: &Keyring,
    disclosure: Disclosure,
    filter: &Filter,
    page: PageRequest,
) -> Result<Page, AuditError> {
    let limit = i64::from(page.limit.clamp(1, 1_000));
    let request = kernel::PageRequest { limit, from: page.after.map_or(PageFrom::Start, PageFrom::After) };
    let found = list_page(db, keys, disclosure, filter, request).await?;
    let next_cursor = found.data.last().filter(|_| found.has_more).map(|record| record.id);
    Ok(Page { data: found.data, has_more: found.has_more, next_cursor })
}

/// The same, as a page of a list that can be read in either direction.
pub async fn list_page(
    db: &Db,
    keys: &Keyring,
    disclosure: Disclosure,
    filter: &Filter,
    request: kernel::PageRequest<AuditEntryId>,
) -> Result<kernel::Page<Record>, AuditError> {
    let tail = page_by_time(&request, filter.sort, "e.id", 12);
    let sql = format!("{}{}{tail}", select_kept!("TRUE"), filter.conditions());
    let rows: Vec<KeptRow> = fetch_all!(
        db,
        bind_filter!(sqlx::query_as(AssertSqlSafe(sql.as_str())), filter)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    let opener = (disclosure == Disclosure::Opened).then_some(keys);
    let records = rows.into_iter().map(|row| Record::of(row, opener)).collect();
    Ok(kernel::Page::of(records, &request, |record: &Record| record.id))
}

/// One entry.
pub async fn find(
    db: &Db,
    keys: &Keyring,
    disclosure: Disclosure,
    id: AuditEntryId,
) -> Result<Option<Record>, AuditError> {
    let row: Option<KeptRow> = fetch_optional!(db, sqlx::query_as(select_kept!("e.id = $1")).bind(id))?;
    Ok(row.map(|row| Record::of(row, (disclosure == Disclosure::Opened).then_some(keys))))
}
