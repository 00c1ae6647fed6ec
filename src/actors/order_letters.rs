//! What notices about orders come to: gathered when the letter is written, so that a letter that was late tells what is
//! true now.

use std::time::Duration;

use super::notifications::{Letters, Notifications};
use crate::{
    accounts,
    db::{Db, DbError},
    jobs::{Attempt, External, Failure},
    kernel::{Money, OrderId, UserId},
    notifications::{
        Dispute, Notice, OrderDisputedLetter, OrderFulfilledLetter, OrderLine, OrderNeedsAttentionLetter,
        OrderPaidLetter, OrderRefundedLetter, Owed, TellOfPayments,
    },
    orders::{self, DisputeState, FulfilmentState, Receipt},
};

/// How long after its payment a buyer is told that it arrived, if nothing else was told till then.
const SLOW: Duration = Duration::from_mins(10);
/// Orders that were paid longer ago were told of when it was looked last, which is every five minutes.
const RECENT: Duration = Duration::from_mins(16);
/// How many orders are told of at once: with more that wait, letters are the least of the troubles.
const BATCH: i64 = 10_000;

/// What a buyer is called; guests have no name.
pub(super) async fn name(db: &Db, user: Option<UserId>) -> Result<Option<String>, Failure> {
    let Some(user) = user else { return Ok(None) };
    Ok(accounts::find_any_account(db, user).await?.map(|account| account.name))
}

async fn receipt(state: &Notifications, db: &Db, id: OrderId) -> Result<Option<Receipt>, Failure> {
    orders::receipt(db, &state.license_keys, id).await.map_err(Failure::retry)
}

/// What a paid order gave; for a guest, how to take it into an account.
pub(super) async fn order_fulfilled(state: &Notifications, db: &Db, id: OrderId) -> Letters {
    let found = receipt(state, db, id).await?;
    let Some(receipt) = found.filter(|it| it.fulfilment_state == FulfilmentState::Fulfilled) else {
        return Ok(Vec::new());
    };
    let money = |amount| Money::new(amount, receipt.currency);
    let some = |amount: i64| (amount > 0).then(|| money(amount));
    let token = |proof| accounts::proof_token(&state.keys, accounts::Purpose::ClaimPurchases, proof);
    let line = |line: orders::ReceiptLine| OrderLine {
        amount: money(line.amount),
        title: line.title,
        plan: line.plan,
        quantity: line.quantity,
        keys: line.keys,
    };
    let letter = OrderFulfilledLetter {
        name: receipt.name,
        order: id,
        discount: some(receipt.discount),
        tax: some(receipt.tax),
        total: money(receipt.total),
        files: receipt.files,
        claim_token: receipt.claim.map(token),
        lines: receipt.lines.into_iter().map(line).collect(),
    };
    Ok(vec![Owed::new(receipt.email, receipt.user, letter)])
}

/// A payment arrived, and what it was for is not there yet; nothing is said once it is.
pub(super) async fn order_paid(state: &Notifications, db: &Db, id: OrderId) -> Letters {
    let found = receipt(state, db, id).await?;
    let Some(receipt) = found.filter(|it| it.fulfilment_state == FulfilmentState::Unfulfilled) else {
        return Ok(Vec::new());
    };
    let total = Money::new(receipt.total, receipt.currency);
    let letter = OrderPaidLetter { name: receipt.name, order: id, total };
    Ok(vec![Owed::new(receipt.email, receipt.user, letter)])
}

impl External<Notifications> for TellOfPayments {
    async fn run(self, _: &mut Notifications, db: &Db, _: Attempt) -> Result<(), Failure> {
        let now = db.now();
        let waiting = orders::paid_and_waiting(db, now - RECENT, now - SLOW, BATCH).await?;
        db.write(async |tx| {
            for order in waiting {
                tx.enqueue(&Notice::OrderPaid { order }).await?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
        Ok(())
    }
}

/// Money went back.
pub(super) async fn order_refunded(db: &Db, id: OrderId, amount: i64) -> Letters {
    let Some(order) = orders::find_any(db, id).await? else { return Ok(Vec::new()) };
    let letter = OrderRefundedLetter {
        name: name(db, order.user_id).await?,
        order: id,
        amount: Money::new(amount, order.currency),
        revoked: order.fulfilment_state == FulfilmentState::Revoked,
    };
    Ok(vec![Owed::new(order.email, order.user_id, letter)])
}

/// A payment is disputed, or not any more.
pub(super) async fn order_disputed(db: &Db, id: OrderId) -> Letters {
    let Some(order) = orders::find_any(db, id).await? else { return Ok(Vec::new()) };
    let dispute = match order.dispute_state {
        DisputeState::None => return Ok(Vec::new()),
        DisputeState::Open => Dispute::Open,
        DisputeState::Won => Dispute::Won,
        DisputeState::Lost => Dispute::Lost,
    };
    let letter = OrderDisputedLetter { name: name(db, order.user_id).await?, order: id, dispute };
    Ok(vec![Owed::new(order.email, order.user_id, letter).on(order.dispute_state)])
}

/// To every operator: an order that a person has to look at.
pub(super) async fn order_needs_attention(state: &Notifications, db: &Db, id: OrderId) -> Letters {
    let attention = orders::find_any(db, id).await?.and_then(|order| order.attention);
    let Some(reason) = attention else { return Ok(Vec::new()) };
    let letter = || OrderNeedsAttentionLetter { order: id, reason: orders::explain_attention(&reason).to_owned() };
    let owed = |operator: &String| Owed::new(operator, None, letter()).one_of_several();
    Ok(state.shop.operators.iter().map(owed).collect())
}
