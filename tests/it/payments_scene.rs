//! What tests of the providers share.

use std::{sync::Arc, time::Duration};

use mintreu::{
    db::Db,
    fetch_all, fetch_one,
    kernel::{Clock, Currency, IdSource, Money, OrderId, Secret, SystemClock, Time},
    payments::{Checkout, Client, ClientOptions, Intake, ProviderError, RefundRequest},
};

pub(crate) const SECRET: &str = "whsec_of_these_tests";

pub(crate) fn ids() -> IdSource {
    IdSource::new(Arc::new(SystemClock))
}

pub(crate) fn now() -> Time {
    SystemClock.now()
}

/// A client that does not wait long.
pub(crate) fn client(timeout: Duration) -> Client {
    let options = ClientOptions { timeout, pause: Duration::from_millis(2), ..ClientOptions::default() };
    Client::new(options, ids()).expect("a client")
}

pub(crate) fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub(crate) fn checkout(total: Money) -> Checkout {
    let order: OrderId = ids().next();
    Checkout {
        order,
        description: "Pro plan of Ink × 2".to_owned(),
        total,
        recurring: None,
        email: "ada@example.com".to_owned(),
        success_url: "https://shop.example.com/done".to_owned(),
        cancel_url: "https://shop.example.com/back".to_owned(),
        expires_at: now() + Duration::from_hours(3),
        idempotency_key: format!("open:{order}"),
    }
}

pub(crate) fn refund(order: OrderId, charge: &str, amount: Money, key: &str) -> RefundRequest {
    RefundRequest { order, charge: charge.to_owned(), amount, idempotency_key: key.to_owned() }
}

pub(crate) fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, ProviderError>) -> bool {
    matches!(answer, Err(ProviderError::Unavailable(_)))
}

pub(crate) fn secrets(list: &[&str]) -> Arc<[Secret<String>]> {
    list.iter().map(|secret| Secret::new((*secret).to_owned())).collect()
}

/// Takes the sandbox's and Stripe's events.
pub(crate) fn intake() -> Intake {
    Intake { sandbox: Some(secrets(&[SECRET])), stripe: Some(secrets(&[SECRET])), ..Intake::default() }
}

/// The inbox: type and body of every event, in the order of arrival.
pub(crate) async fn inbox(db: &Db) -> Vec<(String, String)> {
    fetch_all!(db, sqlx::query_as("SELECT event_type, payload FROM webhook_inbox ORDER BY id")).expect("the inbox")
}

pub(crate) async fn number(db: &Db, query: &'static str) -> i64 {
    fetch_one!(db, sqlx::query_scalar(query)).expect("a number")
}
