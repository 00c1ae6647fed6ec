//! Paying: opens the provider's session when the buyer comes to pay.

use serde_json::json;
use sqlx::FromRow;

use super::{
    locked,
    order::{Item, Order, PaymentState, find_any, items},
    timeline,
};
use crate::{
    catalog::BillingCycle,
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    kernel::{Money, OrderId, PaymentId, Time},
    payments::{Checkout, Period, Provider, ProviderError, ProviderName, Session},
};

/// Why a buyer cannot be sent to pay.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// No such order.
    #[error("there is no such order")]
    NoOrder,
    /// Paid, expired, cancelled.
    #[error("the order is {0}; there is nothing to pay")]
    NotOpen(PaymentState),
    /// The provider does not answer, or will not.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// An order that can be paid.
#[derive(Debug)]
pub struct Payable {
    /// The order.
    pub order: Order,
    /// What is in it.
    pub items: Vec<Item>,
    /// Where an open session waits for the buyer already.
    pub url: Option<String>,
    /// How many sessions were opened for it.
    sessions: i64,
}

#[derive(FromRow)]
struct Sessions {
    opened: i64,
    url: Option<String>,
}

/// Anybody's order that can be paid now: whoever has its address, which cannot be guessed, may pay it.
pub async fn payable(db: &Db, id: OrderId) -> Result<Payable, PayError> {
    let order = find_any(db, id).await?.ok_or(PayError::NoOrder)?;
    let now = db.now();
    match order.payment_state {
        PaymentState::Pending | PaymentState::AwaitingPayment if order.expires_at > now => {}
        PaymentState::Pending | PaymentState::AwaitingPayment => return Err(PayError::NotOpen(PaymentState::Expired)),
        state => return Err(PayError::NotOpen(state)),
    }
    let sessions: Option<Sessions> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT COUNT(*) AS opened,
                    MAX(CASE WHEN state = 'open' AND (expires_at IS NULL OR expires_at > $2) THEN url END) AS url
             FROM payments WHERE order_id = $1"
        )
        .bind(id)
        .bind(now)
    )?;
    let (sessions, url) = sessions.map_or((0, None), |sessions| (sessions.opened, sessions.url));
    Ok(Payable { items: items(db, id).await?, order, url, sessions })
}

/// What the provider is asked for. `public_url` is how buyers reach this server.
fn checkout(payable: &Payable, public_url: &str, now: Time) -> Checkout {
    let order = &payable.order;
    let titles: Vec<String> =
        payable.items.iter().map(|item| format!("{} ({}) × {}", item.title, item.plan_name, item.quantity)).collect();
    let recurring = payable.items.iter().find_map(|item| match item.billing_cycle {
        BillingCycle::Monthly => Some(Period::Month),
        BillingCycle::Yearly => Some(Period::Year),
        BillingCycle::OneTime | BillingCycle::Trial => None,
    });
    Checkout {
        order: order.id,
        description: titles.join(", ").chars().take(250).collect(),
        total: Money::new(order.total, order.currency),
        recurring,
        email: order.email.clone(),
        success_url: format!("{public_url}/pay/{}/return", order.id),
        cancel_url: format!("{public_url}/pay/{}/cancelled", order.id),
        expires_at: order.expires_at.min(now.plus_days(1)),
        // Two tabs that open a session at once get the same one.
        idempotency_key: format!("{}-{}", order.id, payable.sessions),
    }
}

/// Where the buyer pays: the session that is open, or a new one.
pub async fn open_session(
    db: &Db,
    provider: &dyn Provider,
    payable: &Payable,
    public_url: &str,
) -> Result<String, PayError> {
    if let Some(url) = &payable.url {
        return Ok(url.clone());
    }
    let session = provider.open(&checkout(payable, public_url, db.now())).await?;
    db.write(async |tx| session_opened(tx, &payable.order, provider.name(), &session).await).await?;
    Ok(session.url)
}

/// Keeps a session that was opened.
async fn session_opened(tx: &mut Tx, order: &Order, provider: ProviderName, session: &Session) -> Result<(), DbError> {
    locked::lock(tx, order.id).await?;
    let (id, now): (PaymentId, _) = (tx.new_id(), tx.now());
    let new = execute!(
        tx,
        sqlx::query(
            "INSERT INTO payments (id, order_id, provider, provider_ref, url, state, amount, currency, created_at,
                                   expires_at)
             VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9) ON CONFLICT (provider, provider_ref) DO NOTHING"
        )
        .bind(id)
        .bind(order.id)
        .bind(provider)
        .bind(&session.reference)
        .bind(&session.url)
        .bind(order.total)
        .bind(order.currency)
        .bind(now)
        .bind(session.expires_at)
    )?;
    if new == 1 {
        execute!(
            tx,
            sqlx::query(
                "UPDATE orders SET payment_state = 'awaiting_payment' WHERE id = $1 AND payment_state = 'pending'"
            )
            .bind(order.id)
        )?;
        timeline::note(tx, order.id, "payment_started", json!({ "provider": provider }));
    }
    Ok(())
}
