//! What the letter about a paid order tells, gathered with one statement: every order has such a letter.

use sqlx::FromRow;
use uuid::Uuid;

use super::FulfilmentState;
use crate::{
    db::{Db, DbError},
    fetch_all,
    kernel::{Currency, LicenseId, OrderId, OrderItemId, Time, UserId, seal::SealError},
    licenses::KeyMaker,
};

/// A paid order, for its buyer.
#[derive(Debug)]
pub struct Receipt {
    /// Where its letters go.
    pub email: String,
    /// Who ordered; none for a guest.
    pub user: Option<UserId>,
    /// What they are called, if that is known.
    pub name: Option<String>,
    /// In which currency.
    pub currency: Currency,
    /// What was taken off, in minor units.
    pub discount: i64,
    /// What tax came on top.
    pub tax: i64,
    /// What was paid.
    pub total: i64,
    /// Whether what was bought is there.
    pub fulfilment_state: FulfilmentState,
    /// For a guest: the newest link that brings it into an account.
    pub claim: Option<Uuid>,
    /// Whether some of it has files to download.
    pub files: bool,
    /// What was bought.
    pub lines: Vec<ReceiptLine>,
}

/// A position.
#[derive(Debug)]
pub struct ReceiptLine {
    item: OrderItemId,
    /// What was bought.
    pub title: String,
    /// In which plan.
    pub plan: String,
    /// How many.
    pub quantity: i64,
    /// What they cost before any discount, in minor units.
    pub amount: i64,
    /// The licence keys that it gave.
    pub keys: Vec<String>,
}

/// Why a receipt cannot be gathered.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// A key does not open.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Row {
    email: String,
    user_id: Option<UserId>,
    name: Option<String>,
    currency: Currency,
    discount: i64,
    tax: i64,
    total: i64,
    fulfilment_state: FulfilmentState,
    claim: Option<Uuid>,
    files: bool,
    item_id: OrderItemId,
    title: String,
    plan_name: String,
    quantity: i64,
    unit_amount: i64,
    license_id: Option<LicenseId>,
    key_sealed: Option<String>,
}

/// The receipt of an order; none if there is no such order.
// The purpose is a literal: a plan for any order is then as good as one for each, and PostgreSQL keeps it. Planning took four
// times as long as reading.
pub async fn receipt(db: &Db, keys: &KeyMaker, order: OrderId) -> Result<Option<Receipt>, ReceiptError> {
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT o.email, o.user_id, u.name, o.currency, o.discount, o.tax, o.total, o.fulfilment_state,
                    CASE WHEN o.user_id IS NULL THEN
                        (SELECT p.id FROM mail_proofs p WHERE p.tenant_id = o.tenant_id
                                AND p.purpose = 'claim_purchases'
                                AND p.used_at IS NULL ORDER BY p.id DESC LIMIT 1) END AS claim,
                    EXISTS (SELECT 1 FROM product_sources s WHERE s.product_id = i.product_id AND s.is_active
                            AND s.state = 'ok') AS files,
                    i.id AS item_id, i.title, i.plan_name, i.quantity, i.unit_amount, l.id AS license_id, l.key_sealed
             FROM orders o JOIN order_items i ON i.order_id = o.id LEFT JOIN users u ON u.id = o.user_id
                  LEFT JOIN licenses l ON l.order_item_id = i.id
             WHERE o.id = $1 ORDER BY i.position, l.seat"
        )
        .bind(order)
    )?;
    let mut receipt: Option<Receipt> = None;
    for row in rows {
        let key = match row.license_id.zip(row.key_sealed.as_deref()) {
            Some((license, sealed)) => Some(keys.open(license, sealed)?),
            None => None,
        };
        let receipt = receipt.get_or_insert_with(|| Receipt {
            email: row.email,
            user: row.user_id,
            name: row.name,
            currency: row.currency,
            discount: row.discount,
            tax: row.tax,
            total: row.total,
            fulfilment_state: row.fulfilment_state,
            claim: row.claim,
            files: false,
            lines: Vec::new(),
        });
        receipt.files |= row.files;
        if receipt.lines.last().is_none_or(|line| line.item != row.item_id) {
            receipt.lines.push(ReceiptLine {
                item: row.item_id,
                title: row.title,
                plan: row.plan_name,
                quantity: row.quantity,
                amount: row.unit_amount.saturating_mul(row.quantity),
                keys: Vec::new(),
            });
        }
        if let Some(line) = receipt.lines.last_mut() {
            line.keys.extend(key);
        }
    }
    Ok(receipt)
}

/// Orders that were paid between two times and have given nothing yet, the oldest first, so many at most.
pub async fn paid_and_waiting(db: &Db, from: Time, to: Time, limit: i64) -> Result<Vec<OrderId>, DbError> {
    fetch_all!(
        db,
        sqlx::query_scalar(
            "SELECT id FROM orders WHERE payment_state = 'paid' AND fulfilment_state = 'unfulfilled'
                    AND paid_at >= $1 AND paid_at < $2 ORDER BY paid_at LIMIT $3"
        )
        .bind(from)
        .bind(to)
        .bind(limit)
    )
}
