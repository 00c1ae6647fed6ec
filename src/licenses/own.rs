//! What owners do with their licences: a new key, rules, where it is active, what happened.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    LicenseStatus, Stepped,
    activate::ActivationId,
    change::{Action, Change, Touched, forget_everywhere, record, touched},
    maker::KeyMaker,
    rules::{DomainRule, MAX_RULES},
};
use crate::{
    catalog::LicenseType,
    db::{Db, DbError, Tx},
    fetch_all, fetch_optional,
    kernel::{DeveloperId, LicenseId, Network, Page, PageFrom, PageRequest, TenantId, Time, seal::SealError},
};

/// Why an owner's wish is refused.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// There is none with this id, or it is somebody else's.
    #[error("there is no such licence")]
    NotFound,
    /// Its status does not allow it.
    #[error("the licence is {0}")]
    Status(LicenseStatus),
    /// More rules for domains than the licence may have.
    #[error("at most {0} domains")]
    TooManyDomains(i64),
    /// More rules for addresses than the licence may have.
    #[error("at most {0} addresses")]
    TooManyIps(i64),
    /// The installation's keys do not seal.
    #[error("a licence key cannot be sealed: {0}")]
    Seal(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Keyed {
    key_hash: String,
    license_type: LicenseType,
    developer_id: DeveloperId,
    status: LicenseStatus,
}

/// A new key.
#[derive(Debug)]
pub struct Rotated {
    /// What caches must forget.
    pub step: Stepped,
    /// The key, for the owner.
    pub license_key: String,
    /// Its last characters.
    pub key_hint: String,
}

/// Gives a licence a new key; the old one is not good any more.
pub async fn rotate_key(
    tx: &mut Tx,
    keys: &KeyMaker,
    (tenant, id): (TenantId, LicenseId),
    change: &Change,
) -> Result<Rotated, OwnError> {
    let statement = tx.dialect().pick(
        "SELECT key_hash, type AS license_type, developer_id, status FROM licenses WHERE id = $1 AND tenant_id = $2",
        "SELECT key_hash, type AS license_type, developer_id, status FROM licenses WHERE id = $1 AND tenant_id = $2
         FOR UPDATE",
    );
    let old: Option<Keyed> = fetch_optional!(tx, sqlx::query_as(statement).bind(id).bind(tenant))?;
    let old = old.ok_or(OwnError::NotFound)?;
    if old.status == LicenseStatus::Revoked {
        return Err(OwnError::Status(old.status));
    }
    let now = tx.now();
    let made = keys.make(id, old.license_type, old.developer_id, now)?;
    let rotated: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET key_sealed = $3, key_hash = $4, key_hint = $5, updated_at = $6, revision = revision + 1
             WHERE id = $1 AND key_hash = $2"
        ))
        .bind(id)
        .bind(&old.key_hash)
        .bind(&made.sealed)
        .bind(made.hash.to_text())
        .bind(&made.hint)
        .bind(now)
    )?;
    let rotated = rotated.ok_or(OwnError::NotFound)?;
    forget_everywhere(tx, id, &old.key_hash);
    record(tx, &[rotated], Action::KeyRotated, change, &json!({ "key_hint": made.hint })).await?;
    let license_key = keys.open(id, &made.sealed)?;
    Ok(Rotated { step: Stepped(super::KeyHash::parse(&old.key_hash)), license_key, key_hint: made.hint })
}

/// New rules; none leaves those of that kind as they are.
#[derive(Debug, Clone, Default)]
pub struct NewRules {
    /// For hosts.
    pub domains: Option<Vec<DomainRule>>,
    /// For addresses.
    pub ips: Option<Vec<Network>>,
}

/// Says where a licence may be used.
pub async fn set_rules(
    tx: &mut Tx,
    (tenant, id): (TenantId, LicenseId),
    rules: &NewRules,
    change: &Change,
) -> Result<Stepped, OwnError> {
    let list = |texts: Vec<String>| Value::from(texts).to_string();
    let domains = rules.domains.as_ref().map(|rules| list(rules.iter().map(ToString::to_string).collect()));
    let ips = rules.ips.as_ref().map(|rules| list(rules.iter().map(ToString::to_string).collect()));
    let many = |count: Option<usize>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let (many_domains, many_ips) = (many(rules.domains.as_ref().map(Vec::len)), many(rules.ips.as_ref().map(Vec::len)));
    let most = i64::try_from(MAX_RULES).unwrap_or(i64::MAX);
    let now = tx.now();
    let changed: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET domains = COALESCE($3, domains), ips = COALESCE($4, ips), updated_at = $7,
                 revision = revision + 1
             WHERE id = $1 AND tenant_id = $2 AND status <> 'revoked'
                   AND ($5 IS NULL OR $5 <= COALESCE(max_domains, $8))
                   AND ($6 IS NULL OR $6 <= COALESCE(max_ips, $8))"
        ))
        .bind(id)
        .bind(tenant)
        .bind(&domains)
        .bind(&ips)
        .bind(many_domains)
        .bind(many_ips)
        .bind(now)
        .bind(most)
    )?;
    let Some(changed) = changed else { return Err(refused(tx, (tenant, id), (many_domains, many_ips)).await?) };
    let hash = changed.hash();
    let shown = |list: &Option<String>| list.as_deref().and_then(|list| serde_json::from_str::<Value>(list).ok());
    let told = json!({ "domains": shown(&domains), "ips": shown(&ips) });
    record(tx, &[changed], Action::RulesChanged, change, &told).await?;
    Ok(Stepped(hash))
}

/// Why rules were not taken.
async fn refused(
    tx: &mut Tx,
    (tenant, id): (TenantId, LicenseId),
    (domains, ips): (Option<i64>, Option<i64>),
) -> Result<OwnError, DbError> {
    let found: Option<(LicenseStatus, Option<i64>, Option<i64>)> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT status, max_domains, max_ips FROM licenses WHERE id = $1 AND tenant_id = $2")
            .bind(id)
            .bind(tenant)
    )?;
    let Some((status, max_domains, max_ips)) = found else { return Ok(OwnError::NotFound) };
    let most = i64::try_from(MAX_RULES).unwrap_or(i64::MAX);
    let over = |count: Option<i64>, limit: Option<i64>| {
        let limit = limit.unwrap_or(most);
        count.is_some_and(|count| count > limit).then_some(limit)
    };
    Ok(match (over(domains, max_domains), over(ips, max_ips)) {
        (Some(limit), _) => OwnError::TooManyDomains(limit),
        (None, Some(limit)) => OwnError::TooManyIps(limit),
        (None, None) => OwnError::Status(status),
    })
}

/// A place where a licence is or was active.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Activation")]
pub struct ActivationView {
    /// Which one.
    pub id: ActivationId,
    /// What its program calls it.
    pub name: String,
    /// What its program knows the machine by.
    pub fingerprint: Option<String>,
    /// The host it serves.
    pub domain: Option<String>,
    /// Where it called from.
    pub ip: Option<String>,
    /// What its program told of its surroundings.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub server_info: Box<RawValue>,
    /// When it was activated.
    pub created_at: Time,
    /// When it ended.
    pub deactivated_at: Option<Time>,
}

#[derive(FromRow)]
struct ActivationRow {
    id: ActivationId,
    name: String,
    fingerprint: Option<String>,
    domain: Option<String>,
    ip: Option<String>,
    server_info: String,
    created_at: Time,
    deactivated_at: Option<Time>,
}

/// JSON that this program stored.
fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_default()
}

impl From<ActivationRow> for ActivationView {
    fn from(row: ActivationRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            fingerprint: row.fingerprint,
            domain: row.domain,
            ip: row.ip,
            server_info: raw(row.server_info),
            created_at: row.created_at,
            deactivated_at: row.deactivated_at,
        }
    }
}

macro_rules! activations {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, fingerprint, domain, ip, server_info, created_at, deactivated_at FROM license_activations
             WHERE license_id = $1 ",
            $rest
        )
    };
}

/// Where a licence is and was active, newest first. Whose it is must have been asked before.
pub async fn activations_any(
    db: &Db,
    license: LicenseId,
    page: PageRequest<ActivationId>,
) -> Result<Page<ActivationView>, DbError> {
    let rows: Vec<ActivationRow> = match page.from {
        PageFrom::Start => {
            fetch_all!(db, sqlx::query_as(activations!("ORDER BY id DESC LIMIT $2")).bind(license).bind(page.fetch()))?
        }
        PageFrom::After(id) => fetch_all!(
            db,
            sqlx::query_as(activations!("AND id < $3 ORDER BY id DESC LIMIT $2"))
                .bind(license)
                .bind(page.fetch())
                .bind(id)
        )?,
        PageFrom::Before(id) => fetch_all!(
            db,
            sqlx::query_as(activations!("AND id > $3 ORDER BY id LIMIT $2")).bind(license).bind(page.fetch()).bind(id)
        )?,
    };
    Ok(Page::of(rows.into_iter().map(ActivationView::from).collect(), &page, |row| row.id))
}

crate::id_type!(LogId, LicenseLogLine, "llg", "A line of a licence's log.");

/// Something that happened to a licence.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "LicenseLogLine")]
pub struct LogView {
    /// Which line.
    pub id: LogId,
    /// What happened.
    pub action: String,
    /// How.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub detail: Box<RawValue>,
    /// When.
    pub created_at: Time,
}

macro_rules! log {
    ($rest:literal) => {
        concat!("SELECT id, action, detail, created_at FROM license_log WHERE license_id = $1 ", $rest)
    };
}

/// What happened to a licence, newest first. Whose it is must have been asked before.
pub async fn log_any(db: &Db, license: LicenseId, page: PageRequest<LogId>) -> Result<Page<LogView>, DbError> {
    type Row = (LogId, String, String, Time);
    let rows: Vec<Row> = match page.from {
        PageFrom::Start => {
            fetch_all!(db, sqlx::query_as(log!("ORDER BY id DESC LIMIT $2")).bind(license).bind(page.fetch()))?
        }
        PageFrom::After(id) => fetch_all!(
            db,
            sqlx::query_as(log!("AND id < $3 ORDER BY id DESC LIMIT $2")).bind(license).bind(page.fetch()).bind(id)
        )?,
        PageFrom::Before(id) => fetch_all!(
            db,
            sqlx::query_as(log!("AND id > $3 ORDER BY id LIMIT $2")).bind(license).bind(page.fetch()).bind(id)
        )?,
    };
    let views = rows.into_iter().map(|(id, action, detail, created_at)| LogView {
        id,
        action,
        detail: raw(detail),
        created_at,
    });
    Ok(Page::of(views.collect(), &page, |line| line.id))
}

/// Whether a licence is a tenant's.
pub async fn is_owned(db: &Db, tenant: TenantId, license: LicenseId) -> Result<bool, DbError> {
    let found: Option<Uuid> = fetch_optional!(
        db,
        sqlx::query_scalar("SELECT id FROM licenses WHERE id = $1 AND tenant_id = $2").bind(license).bind(tenant)
    )?;
    Ok(found.is_some())
}
