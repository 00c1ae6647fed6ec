//! Issuing: one licence for each seat of a paid item, whatever is retried.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    change::{Action, Change, Touched, record},
    maker::KeyMaker,
};
use crate::{
    catalog::{LicenseType, Limits},
    db::{AppendTable, Column, DbError, Tx},
    jobs::Job,
    kernel::{
        DeveloperId, Id, LicenseId, OrderId, OrderItemId, PlanId, ProductId, TenantId, Time, UserId, seal::SealError,
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
    /// Whether the vendor keeps something for them elsewhere, which is to be told of them.
    pub followed: bool,
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

static LICENSES: AppendTable = AppendTable::new(
    "licenses",
    &[
        ("id", Column::Uuid),
        ("tenant_id", Column::Uuid),
        ("user_id", Column::Uuid),
        ("order_id", Column::Uuid),
        ("order_item_id", Column::Uuid),
        ("seat", Column::Int),
        ("product_id", Column::Uuid),
        ("plan_id", Column::Uuid),
        ("developer_id", Column::Uuid),
        ("type", Column::Text),
        ("key_sealed", Column::Text),
        ("key_hash", Column::Text),
        ("key_hint", Column::Text),
        ("max_usage", Column::Int),
        ("max_activations", Column::Int),
        ("max_domains", Column::Int),
        ("max_ips", Column::Int),
        ("api_calls", Column::Int),
        ("expires_at", Column::Time),
        ("status", Column::Text),
        ("domains", Column::Text),
        ("ips", Column::Text),
        ("server_info", Column::Text),
        ("meta", Column::Text),
        ("revision", Column::Int),
        ("created_at", Column::Time),
        ("updated_at", Column::Time),
    ],
);

/// Issues a licence for each seat from 1 to the quantity of every entitlement. How many.
///
/// They are there at once, not only with the commit: who takes an order's licences back or prolongs them may share it.
///
/// For whoever has taken it upon itself, by a guarded change in this transaction, to give what was bought. A seat that has
/// its licence already is a defect that the database refuses, with the transaction.
pub async fn issue(tx: &mut Tx, keys: &KeyMaker, entitlements: &[Entitlement]) -> Result<usize, IssueError> {
    let mut issued = Vec::new();
    for entitlement in entitlements {
        for seat in 1..=entitlement.quantity {
            issued.push(issue_seat(tx, keys, entitlement, seat)?);
        }
    }
    tx.write_appended(&LICENSES).await?;
    record(tx, &issued, Action::Created, &Change::system(), &json!({})).await?;
    Ok(issued.len())
}

fn issue_seat(tx: &mut Tx, keys: &KeyMaker, from: &Entitlement, seat: i64) -> Result<Touched, SealError> {
    let (id, now): (LicenseId, _) = (tx.new_id(), tx.now());
    let made = keys.make(id, from.license_type, from.developer, now)?;
    let key_hash = made.hash.to_text();
    // The catalogue takes positive limits only; if one slipped through, the least that a licence can have is one.
    let limit = |limit: Option<i64>| limit.map(|limit| limit.max(1));
    tx.append(&LICENSES, |row| {
        row.uuid(id.uuid())
            .uuid(from.tenant.uuid())
            .uuid(from.user.map(Id::uuid))
            .uuid(from.order.uuid())
            .uuid(from.item.uuid())
            .int(seat)
            .uuid(from.product.uuid())
            .uuid(from.plan.uuid())
            .uuid(from.developer.uuid())
            .text(from.license_type.as_str())
            .text(made.sealed.as_str())
            .text(key_hash.as_str())
            .text(made.hint.as_str())
            .int(limit(from.limits.uses))
            .int(limit(from.limits.activations))
            .int(limit(from.limits.domains))
            .int(limit(from.limits.ips))
            .int(limit(from.limits.api_calls))
            .time(from.expires_at)
            .text("active")
            .text("[]")
            .text("[]")
            .text("{}")
            .text("{}")
            .int(1)
            .time(now)
            .time(now);
    });
    Ok(Touched {
        id,
        key_hash,
        tenant_id: from.tenant,
        order_id: from.order,
        product_id: from.product,
        followed: from.followed,
    })
}
