//! The log: every attempt to download, and what became of it.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{GrantId, SourceId, access::Who, gate::Client};
use crate::{
    db::{AppendTable, Column, Db, DbError, Tx, conditions, page_by_time, place_of},
    execute, fetch_all, id_type,
    kernel::{ByTime, LicenseId, Page, PageRequest, ProductId, Sort, TenantId, Time, UserId, ids_between},
    text_enum,
};

id_type!(DownloadId, DownloadMarker, "dwn", "An attempt to download.");

text_enum! {
    /// What became of an attempt.
    pub enum DownloadStatus {
        /// It is under way.
        Started = "started",
        /// All that was asked for was sent.
        Delivered = "delivered",
        /// The client left before.
        Aborted = "aborted",
        /// The file could not be read to its end.
        Failed = "failed",
        /// The client was sent to the storage, which does not tell how it went.
        Redirected = "redirected",
        /// Nothing was sent.
        Refused = "refused",
    }
}

static DOWNLOAD_LOGS: AppendTable = AppendTable::new(
    "download_logs",
    &[
        ("id", Column::Uuid),
        ("product_id", Column::Uuid),
        ("product_source_id", Column::Uuid),
        ("tenant_id", Column::Uuid),
        ("user_id", Column::Uuid),
        ("license_id", Column::Uuid),
        ("download_token", Column::Uuid),
        ("ip_address", Column::Text),
        ("user_agent", Column::Text),
        ("status", Column::Text),
        ("reason", Column::Text),
        ("file_size", Column::Int),
        ("range_start", Column::Int),
        ("bytes_sent", Column::Int),
        ("downloaded_at", Column::Time),
        ("ended_at", Column::Time),
    ],
);

/// An attempt as it is written down first.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) product: ProductId,
    pub(super) source: Option<SourceId>,
    pub(super) who: Option<Who>,
    pub(super) license: Option<LicenseId>,
    pub(super) grant: Option<GrantId>,
    pub(super) client: &'a Client,
    pub(super) status: DownloadStatus,
    pub(super) reason: Option<&'a str>,
    pub(super) file_size: Option<i64>,
    pub(super) range_start: Option<i64>,
}

/// Writes an attempt down; it costs no statement.
pub(super) fn write(tx: &mut Tx, line: &Line<'_>) -> DownloadId {
    let (id, now): (DownloadId, _) = (tx.new_id(), tx.now());
    let ended = (line.status != DownloadStatus::Started).then_some(now);
    tx.append(&DOWNLOAD_LOGS, |row| {
        row.uuid(id.uuid())
            .uuid(line.product.uuid())
            .uuid(line.source.map(SourceId::uuid))
            .uuid(line.who.map(|who| who.tenant.uuid()))
            .uuid(line.who.map(|who| who.user.uuid()))
            .uuid(line.license.map(LicenseId::uuid))
            .uuid(line.grant.map(GrantId::uuid))
            .text(line.client.address.as_deref())
            .text(line.client.agent.as_deref())
            .text(line.status.as_str())
            .text(line.reason)
            .int(line.file_size)
            .int(line.range_start)
            .int(0)
            .time(now)
            .time(ended);
    });
    count(line.status);
    id
}

pub(super) fn count(status: DownloadStatus) {
    metrics::counter!("mintreu_downloads_total", "status" => status.as_str()).increment(1);
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) attempt: DownloadId,
    pub(super) status: DownloadStatus,
    pub(super) reason: Option<String>,
    pub(super) sent: u64,
}

/// Writes down how attempts ended, with one statement.
pub(super) async fn end(tx: &mut Tx, ends: &[End]) -> Result<(), DbError> {
    let rows: Vec<_> = ends
        .iter()
        .map(|end| {
            let sent = i64::try_from(end.sent).unwrap_or(i64::MAX);
            let reason = end.reason.as_deref().map(|reason| reason.replace('\0', " "));
            (end.attempt.uuid().simple().to_string(), end.status.as_str(), reason, sent)
        })
        .collect();
    let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let now = tx.now();
    let statement = tx.dialect().pick(
        "UPDATE download_logs SET status = r.status, reason = r.reason, bytes_sent = r.sent, ended_at = $2
         FROM (SELECT unhex(value->>0) AS attempt, value->>1 AS status, value->>2 AS reason, value->>3 AS sent
               FROM json_each($1)) r
         WHERE id = r.attempt AND download_logs.status = 'started'",
        "UPDATE download_logs SET status = r.status, reason = r.reason, bytes_sent = r.sent, ended_at = $2
         FROM (SELECT (value->>0)::uuid AS attempt, value->>1 AS status, value->>2 AS reason,
                      (value->>3)::bigint AS sent
               FROM jsonb_array_elements($1::jsonb)) r
         WHERE id = r.attempt AND download_logs.status = 'started'",
    );
    execute!(tx, sqlx::query(statement).bind(rows).bind(now))?;
    Ok(())
}

/// An attempt, for those who may see it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "Download")]
pub struct DownloadView {
    /// Which one.
    pub id: DownloadId,
    /// Of which product.
    #[serde(rename = "product")]
    pub product_id: ProductId,
    /// From which source.
    #[serde(rename = "source")]
    pub product_source_id: Option<SourceId>,
    /// By whom.
    #[serde(rename = "user")]
    pub user_id: Option<UserId>,
    /// By which licence.
    #[serde(rename = "license")]
    pub license_id: Option<LicenseId>,
    /// From where.
    pub ip_address: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// What became of it.
    pub status: DownloadStatus,
    /// Why it was refused or failed.
    pub reason: Option<String>,
    /// The length of the whole file.
    pub file_size: Option<i64>,
    /// Where it began, if not at the beginning.
    pub range_start: Option<i64>,
    /// How much was sent.
    pub bytes_sent: i64,
    /// When.
    pub downloaded_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// What to look for.
#[derive(Debug, Clone, Copy, Default)]
pub struct DownloadFilter {
    /// Whose; nobody's in particular for operators.
    pub tenant: Option<TenantId>,
    /// Of this product.
    pub product: Option<ProductId>,
    /// By this person.
    pub user: Option<UserId>,
    /// What became of them.
    pub status: Option<DownloadStatus>,
    /// By this licence.
    pub license: Option<LicenseId>,
    /// Tried at this time or later.
    pub from: Option<Time>,
    /// Tried before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// Attempts, newest first. Without a tenant in the filter, everybody's.
pub async fn downloads(
    db: &Db,
    filter: DownloadFilter,
    page: PageRequest<DownloadId>,
) -> Result<Page<DownloadView>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.tenant.is_some(), "tenant_id = $1"),
        (filter.product.is_some(), "product_id = $2"),
        (filter.user.is_some(), "user_id = $3"),
        (filter.status.is_some(), "status = $4"),
        (filter.license.is_some(), "license_id = $5"),
        (filter.from.is_some(), "downloaded_at >= $6 AND id >= $8"),
        (filter.until.is_some(), "downloaded_at < $7 AND id < $9"),
    ]);
    let text = format!("{LOGS}{conditions}{}", page_by_time(&page, filter.sort, "id", 10));
    let rows: Vec<DownloadView> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.tenant)
            .bind(filter.product)
            .bind(filter.user)
            .bind(filter.status.map(DownloadStatus::as_str))
            .bind(filter.license)
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&page))
            .bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |row| row.id))
}

const LOGS: &str =
    "SELECT id, product_id, product_source_id, user_id, license_id, ip_address, user_agent, status, reason,
    file_size, range_start, bytes_sent, downloaded_at, ended_at FROM download_logs WHERE TRUE";
