//! The sandbox's sessions and charges.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{Sandbox, SandboxError, down};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_one, fetch_optional,
    kernel::{Currency, Money, OrderId, Time},
    payments::{Checkout, Paid, Period, ProviderError, Session, SessionState, stripe::currency::to_stripe},
};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
pub struct SandboxSession {
    /// `cs_sandbox_…`
    pub id: String,
    /// The shop's order.
    #[sqlx(rename = "order_id")]
    pub order: OrderId,
    /// What the buyer sees.
    pub description: String,
    /// What is to be paid, in minor units.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// `month` or `year`.
    pub recurring: Option<String>,
    /// The buyer's address.
    pub email: String,
    /// Where the buyer goes after paying.
    pub success_url: String,
    /// Where the buyer goes otherwise.
    pub cancel_url: String,
    /// `open`, `pending`, `paid` or `expired`.
    pub state: String,
    /// When it was opened.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

impl SandboxSession {
    /// What is to be paid.
    #[must_use]
    pub const fn total(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    pub(super) fn period(&self) -> Option<Period> {
        match self.recurring.as_deref() {
            Some("year") => Some(Period::Year),
            Some(_) => Some(Period::Month),
            None => None,
        }
    }
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Charge {
    /// `pi_sandbox_…`
    pub(super) id: String,
    pub(super) session_id: String,
    pub(super) invoice: Option<String>,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) fee: i64,
    pub(super) refunded: i64,
    pub(super) dispute: Option<String>,
    pub(super) dispute_state: Option<String>,
}

/// Sessions that nobody limits live a day, as Stripe's do.
const LONGEST: Duration = Duration::from_hours(24);

/// All but for `sqlx`'s macros this is `SELECT *`.
const SESSION: &str = "SELECT id, order_id, description, amount, currency, recurring, email, success_url, cancel_url,
        state, created_at, expires_at
    FROM sandbox_sessions WHERE id = $1";

const CHARGE: &str = "SELECT id, session_id, invoice, amount, currency, fee, refunded, dispute, dispute_state
    FROM sandbox_charges WHERE id = $1";

const FIRST_CHARGE: &str = "SELECT id, session_id, invoice, amount, currency, fee, refunded, dispute, dispute_state
    FROM sandbox_charges WHERE session_id = $1 ORDER BY created_at, id LIMIT 1";

impl Sandbox {
    /// A session, if there is one of this name.
    pub async fn session(&self, id: &str) -> Result<Option<SandboxSession>, DbError> {
        fetch_optional!(&self.db, sqlx::query_as(SESSION).bind(id))
    }

    /// Where a session is paid, if it exists.
    pub(super) async fn open_session(&self, checkout: &Checkout) -> Result<Session, ProviderError> {
        // Its events have Stripe's shape, so it charges what Stripe can say.
        to_stripe(checkout.total)?;
        let opened = self.db.write(async |tx| open(tx, checkout).await).await.map_err(|error| down(&error))?;
        let Some(session) = opened else {
            return Err(ProviderError::Refused("the key was used for another checkout".to_owned()));
        };
        Ok(Session { url: self.page(&session.id), reference: session.id, expires_at: Some(session.expires_at) })
    }

    pub(super) async fn session_state(&self, id: &str) -> Result<SessionState, ProviderError> {
        let Some(session) = self.session(id).await.map_err(|error| down(&error))? else {
            return Ok(SessionState::Ended);
        };
        match session.state.as_str() {
            "open" if session.expires_at <= self.db.now() => Ok(SessionState::Ended),
            "open" | "pending" => Ok(SessionState::Open),
            "paid" => Ok(SessionState::Paid(paid(&self.db, session).await.map_err(|error| down(&error))?)),
            _ => Ok(SessionState::Ended),
        }
    }

    pub(super) async fn fee_of(&self, charge: &str) -> Result<Option<Money>, ProviderError> {
        let charge: Option<Charge> =
            fetch_optional!(&self.db, sqlx::query_as(CHARGE).bind(charge)).map_err(|error| down(&error))?;
        charge.map(|charge| Some(Money::new(charge.fee, charge.currency))).ok_or(ProviderError::NotFound)
    }
}

async fn paid(db: &Db, session: SandboxSession) -> Result<Paid, DbError> {
    let charge: Charge = fetch_one!(db, sqlx::query_as(FIRST_CHARGE).bind(&session.id))?;
    let subscription: Option<String> = fetch_optional!(
        db,
        sqlx::query_scalar("SELECT id FROM sandbox_subscriptions WHERE session_id = $1").bind(&session.id)
    )?;
    Ok(Paid {
        order: session.order,
        session: session.id,
        charge: Some(charge.id),
        amount: charge.amount,
        currency: charge.currency,
        fee: Some(charge.fee),
        subscription,
    })
}

/// Opens a session, or finds the one that was opened with the same key; none if that was for something else.
async fn open(tx: &mut Tx, checkout: &Checkout) -> Result<Option<SandboxSession>, DbError> {
    let (id, now) = (name(tx, "cs"), tx.now());
    let recurring = checkout.recurring.map(|period| match period {
        Period::Month => "month",
        Period::Year => "year",
    });
    let ends = if checkout.expires_at > now { checkout.expires_at.min(now + LONGEST) } else { now + LONGEST };
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO sandbox_sessions (id, order_id, description, amount, currency, recurring, email, success_url,
                cancel_url, idempotency_key, state, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', $11, $12)
             ON CONFLICT (idempotency_key) DO NOTHING"
        )
        .bind(id)
        .bind(checkout.order)
        .bind(&checkout.description)
        .bind(checkout.total.amount)
        .bind(checkout.total.currency)
        .bind(recurring)
        .bind(&checkout.email)
        .bind(&checkout.success_url)
        .bind(&checkout.cancel_url)
        .bind(&checkout.idempotency_key)
        .bind(now)
        .bind(ends)
    )?;
    let session: SandboxSession = fetch_one!(
        tx,
        sqlx::query_as(
            "SELECT id, order_id, description, amount, currency, recurring, email, success_url, cancel_url, state,
                created_at, expires_at
             FROM sandbox_sessions WHERE idempotency_key = $1"
        )
        .bind(&checkout.idempotency_key)
    )?;
    let same = session.order == checkout.order
        && session.total() == checkout.total
        && session.recurring.as_deref() == recurring;
    Ok(same.then_some(session))
}

/// A name of the sandbox's.
pub(super) fn name(tx: &Tx, kind: &str) -> String {
    format!("{kind}_sandbox_{}", tx.ids().next_uuid().simple())
}

pub(super) async fn session_in(tx: &mut Tx, id: &str) -> Result<SandboxSession, SandboxError> {
    fetch_optional!(tx, sqlx::query_as(SESSION).bind(id))?.ok_or(SandboxError::Unknown)
}

pub(super) async fn charge_in(tx: &mut Tx, id: &str) -> Result<Charge, SandboxError> {
    fetch_optional!(tx, sqlx::query_as(CHARGE).bind(id))?.ok_or(SandboxError::Unknown)
}

/// The charge that a session began with.
pub(super) async fn first_charge(tx: &mut Tx, session: &str) -> Result<Charge, SandboxError> {
    fetch_optional!(tx, sqlx::query_as(FIRST_CHARGE).bind(session))?
        .ok_or(SandboxError::State("nothing was paid in this session"))
}

/// Takes money.
pub(super) async fn charge(
    tx: &mut Tx,
    session: &SandboxSession,
    money: Money,
    invoice: Option<String>,
) -> Result<Charge, DbError> {
    let charge = Charge {
        id: name(tx, "pi"),
        session_id: session.id.clone(),
        invoice,
        amount: money.amount,
        currency: money.currency,
        fee: fee(money.amount),
        refunded: 0,
        dispute: None,
        dispute_state: None,
    };
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO sandbox_charges (id, session_id, invoice, amount, currency, fee, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        )
        .bind(&charge.id)
        .bind(&charge.session_id)
        .bind(charge.invoice.as_deref())
        .bind(charge.amount)
        .bind(charge.currency)
        .bind(charge.fee)
        .bind(now)
    )?;
    Ok(charge)
}

/// 2.9 % and 30 minor units, as is usual; nothing of nothing.
fn fee(amount: i64) -> i64 {
    if amount == 0 { 0 } else { (crate::kernel::money::share(amount, 290) + 30).min(amount) }
}
