//! Opening an order: the price is ours, never the client's.

use serde::{Deserialize, Serialize};

use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError},
    execute,
    kernel::OrderId,
};

/// Who opens orders, in the audit trail.
const ACTOR: Actor = Actor::system("orders");

/// What can be bought until there is a catalogue.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Offer {
    /// Its name in the order.
    pub product: &'static str,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: &'static str,
}

impl Offer {
    /// The one product of the sandbox.
    pub const SANDBOX: Self = Self { product: "sandbox-license", amount: 1999, currency: "USD" };
}

/// An order as a buyer asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Whom to tell.
    pub email: String,
    /// What to buy.
    pub product: String,
}

/// Why an order is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No such product.
    // What the client wrote is not repeated: its length is the client's choice.
    #[error("there is no such product; the sandbox sells `sandbox-license`")]
    UnknownProduct,
    /// Not an address.
    #[error("`email` is no address: it needs a name, an @ and a domain, 254 characters at most")]
    Email,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Opens an order that awaits its payment.
pub async fn open(db: &Db, new: NewOrder) -> Result<OrderId, OpenError> {
    let offer = Offer::SANDBOX;
    if new.product != offer.product {
        return Err(OpenError::UnknownProduct);
    }
    if !plausible(&new.email) {
        return Err(OpenError::Email);
    }
    db.write(async |tx| {
        let (id, now): (OrderId, _) = (tx.new_id(), tx.now());
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO orders (id, email, product, amount, currency, payment_state, created_at)
                 VALUES ($1, $2, $3, $4, $5, 'awaiting_payment', $6)"
            )
            .bind(id)
            .bind(&new.email)
            .bind(offer.product)
            .bind(offer.amount)
            .bind(offer.currency)
            .bind(now)
        )?;
        tx.audit(Entry::new(ACTOR, "order.opened", "order", id.to_string()));
        Ok(id)
    })
    .await
}

/// Whether a text can be an address; only a mail that arrives proves one.
fn plausible(email: &str) -> bool {
    email.len() <= 254
        && !email.chars().any(|character| character.is_control() || character.is_whitespace())
        && email
            .split_once('@')
            .is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.') && !domain.contains('@'))
}
