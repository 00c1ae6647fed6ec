//! A licence with the sale that it came from: what the compatible answers of other platforms are made of.

use sqlx::FromRow;

use super::{
    ActivationId, KeyHash, LicenseStatus,
    change::{Touched, forget_everywhere, touched},
    known::{Asked, Place},
};
use crate::{
    catalog::{BillingCycle, LicenseType},
    db::{Db, DbError, Tx},
    fetch_optional,
    kernel::{DeveloperId, LicenseId, OrderId, OrderItemId, PlanId, ProductId, SubscriptionId, TenantId, Time, seal},
};

/// A licence, its product, its plan, its order and its buyer.
#[derive(Debug, Clone, FromRow)]
pub struct Sale {
    /// Which licence.
    pub license: LicenseId,
    /// As it is written down; see [`Sale::status_at`].
    pub status: LicenseStatus,
    /// What it allows.
    pub license_type: LicenseType,
    /// How often it was used.
    pub usage_count: i64,
    /// How often at most.
    pub max_usage: Option<i64>,
    /// Where it is active.
    pub activation_count: i64,
    /// Where at most.
    pub max_activations: Option<i64>,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was issued.
    pub created_at: Time,
    /// When it changed last.
    pub updated_at: Time,
    /// From whom.
    pub developer: DeveloperId,
    /// Of what.
    pub product: ProductId,
    /// The product's name in addresses.
    pub product_slug: String,
    /// The product's name.
    pub product_title: String,
    /// In which plan.
    pub plan: PlanId,
    /// The plan's name.
    pub plan_name: String,
    /// How it is paid.
    pub billing_cycle: BillingCycle,
    /// Of which order.
    pub order: OrderId,
    /// Of which item.
    pub item: OrderItemId,
    /// How many of it.
    pub quantity: i64,
    /// What the item cost, in minor units.
    pub price: i64,
    /// Of this currency.
    pub currency: String,
    /// When it was ordered.
    pub ordered_at: Time,
    /// Whether all of its money went back.
    pub refunded: bool,
    /// How its dispute stands: none, open, won or lost.
    pub dispute_state: String,
    /// Whose.
    pub tenant: TenantId,
    /// Who bought it.
    pub customer_name: String,
    /// Their address.
    pub customer_email: String,
    /// The subscription behind it.
    pub subscription: Option<SubscriptionId>,
    /// When that was cancelled.
    pub cancelled_at: Option<Time>,
}

impl Sale {
    /// Where the licence stands at `now`.
    #[must_use]
    pub fn status_at(&self, now: Time) -> LicenseStatus {
        self.status.at(self.expires_at, now)
    }

    /// Whether a product's id or name in addresses is that of its product.
    #[must_use]
    pub fn is_of(&self, product: &str) -> bool {
        self.product_slug == product || product.parse() == Ok(self.product)
    }
}

/// The licence that a key finds, with its sale.
pub async fn find_sale(db: &Db, hash: KeyHash) -> Result<Option<Sale>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT l.id AS license, l.status, l.type AS license_type, l.usage_count, l.max_usage, l.activation_count,
                    l.max_activations, l.expires_at, l.created_at, l.updated_at, l.developer_id AS developer,
                    l.product_id AS product, p.slug AS product_slug, p.title AS product_title, l.plan_id AS plan,
                    n.name AS plan_name, i.billing_cycle, l.order_id AS \"order\", l.order_item_id AS item, i.quantity,
                    i.total AS price, o.currency, o.created_at AS ordered_at, o.payment_state = 'refunded' AS refunded,
                    o.dispute_state, l.tenant_id AS tenant, COALESCE(u.name, t.name) AS customer_name,
                    o.email AS customer_email, s.id AS subscription, s.cancelled_at
             FROM licenses l
                  JOIN products p ON p.id = l.product_id JOIN plans n ON n.id = l.plan_id
                  JOIN orders o ON o.id = l.order_id JOIN order_items i ON i.id = l.order_item_id
                  JOIN tenants t ON t.id = l.tenant_id LEFT JOIN users u ON u.id = l.user_id
                  LEFT JOIN subscriptions s ON s.order_item_id = l.order_item_id
             WHERE l.key_hash = $1"
        )
        .bind(hash.to_text())
    )
}

/// An activation of a licence that has not ended.
pub async fn find_activation(db: &Db, license: LicenseId, id: ActivationId) -> Result<Option<Place>, DbError> {
    super::known::find_place(db, license, &Asked::Instance(id)).await
}

/// Counts a use of an active licence, if there is one left. Whether it was counted.
pub async fn count_use(tx: &mut Tx, hash: KeyHash) -> Result<bool, DbError> {
    let now = tx.now();
    let used: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET usage_count = usage_count + 1, updated_at = $2
             WHERE key_hash = $1 AND status = 'active' AND (expires_at IS NULL OR expires_at > $2)
                   AND (max_usage IS NULL OR usage_count < max_usage)"
        ))
        .bind(hash.to_text())
        .bind(now)
    )?;
    if let Some(used) = &used {
        forget_everywhere(tx, used.id, &used.key_hash);
    }
    Ok(used.is_some())
}

/// A number for an id of ours, where other platforms have numbers: always the same for the same id, from 1 to 2^48, so
/// that JavaScript reads it exactly. The first six bytes of HMAC-SHA-256 over the id's UUID, under a key that is no
/// secret.
#[must_use]
pub fn number<P>(id: crate::kernel::Id<P>) -> u64 {
    let hash = seal::hmac_sha256(b"mintreu number", id.uuid().as_bytes());
    hash[..6].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) + 1
}
