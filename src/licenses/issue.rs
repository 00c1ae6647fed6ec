//! Issuing: one licence per order, whatever is retried.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    jobs::{DomainEvent, Job},
    kernel::{LicenseId, OrderId, Time},
};

/// Issues the licence of a paid order.
#[derive(Debug, Serialize, Deserialize)]
pub struct IssueLicense {
    /// The order.
    pub order: OrderId,
    /// What was bought.
    pub product: String,
}

impl Job for IssueLicense {
    const KIND: &'static str = "licenses.issue";
    const QUEUE: &'static str = "licensing";

    fn group_key(&self) -> Option<Cow<'_, str>> {
        Some(self.order.to_string().into())
    }
}

/// A licence was issued.
#[derive(Debug, Serialize)]
pub struct LicenseIssued {
    /// Which one.
    pub license: LicenseId,
    /// For which order.
    pub order: OrderId,
}

impl DomainEvent for LicenseIssued {
    const NAME: &'static str = "license.created";
}

/// A licence as its buyer sees it.
#[derive(Debug, Serialize, FromRow)]
pub struct License {
    /// Which one.
    pub id: LicenseId,
    /// Of what.
    pub product: String,
    /// The key.
    pub license_key: String,
    /// When it was issued.
    pub created_at: Time,
}

/// Issues the order's licence unless it has one. Whether this call issued it.
pub async fn issue(tx: &mut Tx, order: OrderId, product: &str) -> Result<bool, DbError> {
    let (id, now): (LicenseId, _) = (tx.new_id(), tx.now());
    let key = new_key(tx);
    let issued = execute!(
        tx,
        sqlx::query(
            "INSERT INTO licenses (id, order_id, product, license_key, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (order_id) DO NOTHING"
        )
        .bind(id)
        .bind(order)
        .bind(product)
        .bind(key)
        .bind(now)
    )?;
    if issued == 1 {
        tx.emit(&LicenseIssued { license: id, order })?;
    }
    Ok(issued == 1)
}

/// Twenty-five characters of an alphabet without look-alikes: 124 bits.
fn new_key(tx: &Tx) -> String {
    const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKLMNPQRSTUVWXY";
    let mut key = String::from("MINTREU");
    for place in 0..25 {
        if place % 5 == 0 {
            key.push('-');
        }
        // The remainder of a 64-bit number favours no letter by more than one part in 2^59.
        let letter = usize::try_from(tx.ids().random() % 31).unwrap_or(0);
        key.push(char::from(ALPHABET[letter]));
    }
    key
}

/// The licence of an order, if it has one.
pub async fn of_order(db: &Db, order: OrderId) -> Result<Option<License>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as("SELECT id, product, license_key, created_at FROM licenses WHERE order_id = $1").bind(order)
    )
}
