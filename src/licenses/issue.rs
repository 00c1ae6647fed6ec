//! Issuing: one licence for each seat of a paid item, whatever is retried.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    change::{Action, Change, Touched, record},
    maker::KeyMaker,
};
use crate::{
    catalog::{LicenseType, Limits},
    db::{DbError, Tx},
    fetch_all,
    jobs::Job,
    kernel::{
        DeveloperId, LicenseId, OrderId, OrderItemId, PlanId, ProductId, TenantId, Time, UserId, seal::SealError,
    },
};

/// Issues the licences of a paid order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssueLicenses {
    /// The order.
    pub order: OrderId,
}

impl Job for IssueLicenses {
    const KIND: &'static str = "licenses.issue";
    const QUEUE: &'static str = "licensing";
}

/// What a paid item gives.
#[derive(Debug, Clone)]
pub struct Entitlement {
    /// The order.
    pub order: OrderId,
    /// Its item.
    pub item: OrderItemId,
    /// Who owns the licences.
    pub tenant: TenantId,
    /// Who bought them; none for a guest.
    pub user: Option<UserId>,
    /// What was bought.
    pub product: ProductId,
    /// In which plan.
    pub plan: PlanId,
    /// From whom.
    pub developer: DeveloperId,
    /// What the licences allow.
    pub license_type: LicenseType,
    /// What they are limited to.
    pub limits: Limits,
    /// How many.
    pub quantity: i64,
    /// When they end; none for never.
    pub expires_at: Option<Time>,
}

/// Why licences were not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The installation's keys do not seal.
    #[error("a licence key cannot be sealed: {0}")]
    Seal(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<IssueError> for crate::jobs::Failure {
    fn from(error: IssueError) -> Self {
        Self::retry(error)
    }
}

/// Issues a licence for each seat from 1 to the quantity of every entitlement, unless it has one. How many were new.
///
/// Seats that have their licence are passed over by the database, so repeated and concurrent calls issue each once.
pub async fn issue(tx: &mut Tx, keys: &KeyMaker, entitlements: &[Entitlement]) -> Result<u64, IssueError> {
    let now = tx.now();
    let mut rows = Vec::new();
    for entitlement in entitlements {
        for seat in 1..=entitlement.quantity {
            rows.push(row(tx.new_id(), keys, entitlement, seat, now)?);
        }
    }
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = tx.dialect().pick(INSERT_SQLITE, INSERT_POSTGRES);
    let issued: Vec<Touched> =
        fetch_all!(tx, sqlx::query_as(statement).bind(Value::Array(rows).to_string()).bind(now))?;
    record(tx, &issued, Action::Created, &Change::system(), &json!({})).await?;
    Ok(u64::try_from(issued.len()).unwrap_or(u64::MAX))
}

/// A licence as the statements below read it.
fn row(id: LicenseId, keys: &KeyMaker, from: &Entitlement, seat: i64, now: Time) -> Result<Value, SealError> {
    let made = keys.make(id, from.license_type, from.developer, now)?;
    let hex = |uuid: uuid::Uuid| uuid.simple().to_string();
    // The catalogue takes positive limits only; if one slipped through, the least that a licence can have is one.
    let limit = |limit: Option<i64>| limit.map(|limit| limit.max(1));
    Ok(json!([
        hex(id.uuid()),
        hex(from.tenant.uuid()),
        from.user.map(|user| hex(user.uuid())),
        hex(from.order.uuid()),
        hex(from.item.uuid()),
        seat,
        hex(from.product.uuid()),
        hex(from.plan.uuid()),
        hex(from.developer.uuid()),
        from.license_type,
        made.sealed,
        made.hash.to_text(),
        made.hint,
        limit(from.limits.uses),
        limit(from.limits.activations),
        limit(from.limits.domains),
        limit(from.limits.ips),
        limit(from.limits.api_calls),
        from.expires_at.map(Time::as_micros),
    ]))
}

/// The statement for one database: how it takes the rows apart, and where they come from.
macro_rules! insert {
    ($values:literal, $rows:literal) => {
        concat!(
            "INSERT INTO licenses (id, tenant_id, user_id, order_id, order_item_id, seat, product_id, plan_id,
                 developer_id, type, key_sealed, key_hash, key_hint, max_usage, max_activations, max_domains, max_ips,
                 api_calls, expires_at, status, domains, ips, server_info, meta, revision, created_at, updated_at)
             SELECT ",
            $values,
            ", 'active', '[]', '[]', '{}', '{}', 1, $2, $2 FROM ",
            $rows,
            // The condition tells SQLite that a conflict clause follows, and not a join's.
            " WHERE true ON CONFLICT (order_item_id, seat) DO NOTHING
             RETURNING id, key_hash, tenant_id, order_id, product_id,
                 EXISTS (SELECT 1 FROM credential_hooks h WHERE h.product_id = licenses.product_id) AS followed"
        )
    };
}

const INSERT_SQLITE: &str = insert!(
    "unhex(value->>0), unhex(value->>1), unhex(value->>2), unhex(value->>3), unhex(value->>4), value->>5,
     unhex(value->>6), unhex(value->>7), unhex(value->>8), value->>9, value->>10, value->>11, value->>12, value->>13,
     value->>14, value->>15, value->>16, value->>17, value->>18",
    "json_each($1)"
);
const INSERT_POSTGRES: &str = insert!(
    "(r->>0)::uuid, (r->>1)::uuid, (r->>2)::uuid, (r->>3)::uuid, (r->>4)::uuid, (r->>5)::bigint, (r->>6)::uuid,
     (r->>7)::uuid, (r->>8)::uuid, r->>9, r->>10, r->>11, r->>12, (r->>13)::bigint, (r->>14)::bigint, (r->>15)::bigint,
     (r->>16)::bigint, (r->>17)::bigint,
     TIMESTAMPTZ 'epoch' + (r->>18)::bigint / 1000000 * INTERVAL '1 second'
         + (r->>18)::bigint % 1000000 * INTERVAL '1 microsecond'",
    "jsonb_array_elements($1::jsonb) AS r"
);
