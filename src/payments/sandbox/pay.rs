//! What a buyer can do with a session.

use serde_json::Value;

use super::{
    Completion, Delivering, PayOutcome, Sandbox, SandboxError, SettleSandboxTransfer,
    events::{self, Told},
    refund,
    sessions::{Charge, SandboxSession, charge, session_in},
    subscription,
};
use crate::{db::Tx, execute, kernel::Money};

impl Sandbox {
    /// Does what a buyer does on the page.
    pub async fn complete(&self, id: &str, completion: Completion) -> Result<SandboxSession, SandboxError> {
        let delivering = completion.delivering.check()?;
        if completion.amount.is_some_and(|amount| amount < 0) {
            return Err(SandboxError::Amount);
        }
        self.db
            .write(async |tx| {
                let session = session_in(tx, id).await?;
                match completion.outcome {
                    PayOutcome::Paid => self.pay(tx, &session, completion, false).await?,
                    PayOutcome::PaidAndRefunded => self.pay(tx, &session, completion, true).await?,
                    PayOutcome::Declined => self.decline(tx, &session, delivering).await?,
                    PayOutcome::Delayed => self.promise(tx, &session, delivering, true).await?,
                    PayOutcome::DelayedFails => self.promise(tx, &session, delivering, false).await?,
                    PayOutcome::Expired => self.expire(tx, &session, delivering).await?,
                }
                session_in(tx, id).await
            })
            .await
    }

    async fn pay(
        &self,
        tx: &mut Tx,
        session: &SandboxSession,
        completion: Completion,
        refunded: bool,
    ) -> Result<(), SandboxError> {
        move_on(tx, session, "open", "paid").await?;
        let money =
            Money::new(completion.amount.unwrap_or(session.amount), completion.currency.unwrap_or(session.currency));
        let (mut events, mut charge) = take_money(tx, session, money, "checkout.session.completed").await?;
        if refunded && charge.amount > 0 {
            let key = format!("at-once:{}", session.id);
            events.extend(refund::give_back(tx, session.order, &mut charge, money.amount, &key).await?.1);
        }
        self.send(tx, events, completion.delivering).await
    }

    async fn decline(&self, tx: &mut Tx, session: &SandboxSession, delivering: Delivering) -> Result<(), SandboxError> {
        move_on(tx, session, "open", "open").await?;
        let failed = events::intent_failed(tx, session)?;
        self.send(tx, vec![failed], delivering).await
    }

    /// A transfer: the session is complete, the money comes later.
    async fn promise(
        &self,
        tx: &mut Tx,
        session: &SandboxSession,
        delivering: Delivering,
        arrives: bool,
    ) -> Result<(), SandboxError> {
        move_on(tx, session, "open", "pending").await?;
        let told = Told { status: "complete", payment_status: "unpaid", ..Told::default() };
        let completed = events::session(tx, "checkout.session.completed", session, told)?;
        let at = tx.now() + delivering.delay();
        self.send(tx, vec![completed], Delivering { delay_seconds: 0, ..delivering }).await?;
        let delivering = Delivering { delay_seconds: 0, ..delivering };
        let job = SettleSandboxTransfer { session: session.id.clone(), arrives, delivering };
        tx.enqueue_at(&job, at).await?;
        Ok(())
    }

    /// Does the job that [`PayOutcome::Delayed`] left behind.
    pub async fn settle_transfer(&self, tx: &mut Tx, job: &SettleSandboxTransfer) -> Result<(), SandboxError> {
        let session = session_in(tx, &job.session).await?;
        if job.arrives {
            move_on(tx, &session, "pending", "paid").await?;
            let kind = "checkout.session.async_payment_succeeded";
            let (events, _) = take_money(tx, &session, session.total(), kind).await?;
            return self.send(tx, events, job.delivering).await;
        }
        move_on(tx, &session, "pending", "expired").await?;
        let told = Told { status: "complete", payment_status: "unpaid", ..Told::default() };
        let failed = events::session(tx, "checkout.session.async_payment_failed", &session, told)?;
        self.send(tx, vec![failed], job.delivering).await
    }

    async fn expire(&self, tx: &mut Tx, session: &SandboxSession, delivering: Delivering) -> Result<(), SandboxError> {
        move_on(tx, session, "open", "expired").await?;
        let told = Told { status: "expired", payment_status: "unpaid", ..Told::default() };
        let expired = events::session(tx, "checkout.session.expired", session, told)?;
        self.send(tx, vec![expired], delivering).await
    }
}

async fn move_on(tx: &mut Tx, session: &SandboxSession, from: &str, to: &str) -> Result<(), SandboxError> {
    let now = tx.now();
    let moved = execute!(
        tx,
        sqlx::query(
            "UPDATE sandbox_sessions SET state = $3
             WHERE id = $1 AND state = $2 AND (state <> 'open' OR expires_at > $4 OR $3 = 'expired')"
        )
        .bind(&session.id)
        .bind(from)
        .bind(to)
        .bind(now)
    )?;
    if moved == 1 { Ok(()) } else { Err(SandboxError::State("the session is not open any more")) }
}

/// Charges, begins the subscription if there is one, and gives the events that tell of it.
async fn take_money(
    tx: &mut Tx,
    session: &SandboxSession,
    money: Money,
    kind: &str,
) -> Result<(Vec<Value>, Charge), SandboxError> {
    let begun = match session.period() {
        Some(period) => Some(subscription::begin(tx, session, period).await?),
        None => None,
    };
    let charge = charge(tx, session, money, begun.as_ref().map(|begun| begun.invoice.clone())).await?;
    let told = Told {
        status: "complete",
        payment_status: "paid",
        charge: Some(&charge),
        subscription: begun.as_ref().map(|begun| begun.id.as_str()),
    };
    let mut events = vec![events::session(tx, kind, session, told)?];
    match &begun {
        Some(begun) => events.push(events::invoice(tx, begun.first_invoice(&charge))?),
        None => events.push(events::intent_succeeded(tx, session.order, &charge)?),
    }
    events.push(events::charge_updated(tx, session.order, &charge)?);
    Ok((events, charge))
}
