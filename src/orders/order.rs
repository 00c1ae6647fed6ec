//! An order, and the status that people see.

use serde::Serialize;
use sqlx::FromRow;

use crate::{
    db::{Db, DbError},
    fetch_optional,
    kernel::{OrderId, Time},
};

/// An order as stored.
#[derive(Debug, Serialize, FromRow)]
pub struct Order {
    /// Which one.
    pub id: OrderId,
    /// What was bought.
    pub product: String,
    /// The price, in minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// When it was opened.
    pub created_at: Time,
    /// When its payment was settled.
    pub paid_at: Option<Time>,
    /// When its licence was issued.
    pub fulfilled_at: Option<Time>,
}

impl Order {
    /// The status that people see, derived from the states that are kept apart.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match (self.paid_at, self.fulfilled_at) {
            (_, Some(_)) => "fulfilled",
            (Some(_), None) => "paid",
            (None, None) => "awaiting_payment",
        }
    }
}

/// Any buyer's order: whoever knows its identifier, which cannot be guessed, may look.
pub async fn find_any(db: &Db, id: OrderId) -> Result<Option<Order>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT id, product, amount, currency, created_at, paid_at, fulfilled_at FROM orders WHERE id = $1"
        )
        .bind(id)
    )
}
