//! What orders have to tell.

use super::Notifications;
use crate::{
    accounts::{self, Email, ProofOf, Purpose},
    db::{Db, DbError},
    jobs::Failure,
    kernel::{Money, OrderId},
    licenses,
    notifications::{Letter, OrderFulfilledLetter, OrderLine, OrderNeedsAttentionLetter, OrderRefundedLetter, Write},
    orders::{self, FulfilmentState, Order},
};

/// The order; a notice of one that is not there can never be told.
async fn find(db: &Db, id: OrderId) -> Result<Order, Failure> {
    orders::find_any(db, id).await?.ok_or_else(|| Failure::dead(format!("there is no order {id}")))
}

/// What its buyer is called, if they have an account.
async fn buyer(db: &Db, order: &Order) -> Result<Option<String>, Failure> {
    let Some(user) = order.user_id else { return Ok(None) };
    Ok(accounts::find_any_account(db, user).await?.map(|account| account.name))
}

pub(super) async fn fulfilled(state: &Notifications, db: &Db, id: OrderId) -> Result<Vec<Letter>, Failure> {
    let order = find(db, id).await?;
    let given = licenses::of_order(db, &state.license_keys, id).await.map_err(Failure::retry)?;
    let items = orders::items(db, id).await?;
    let lines = items.into_iter().map(|item| OrderLine {
        keys: given
            .iter()
            .filter(|license| license.order_item == item.id)
            .filter_map(|license| license.license_key.clone())
            .collect(),
        title: item.title,
        plan: item.plan_name,
        quantity: item.quantity,
    });
    let letter = OrderFulfilledLetter {
        name: buyer(db, &order).await?,
        order: id,
        lines: lines.collect(),
        total: Money::new(order.total, order.currency),
        claim_token: claim_token(state, db, &order).await?,
    };
    state.write(&order.email, &letter)
}

/// For a guest, the token that brings the order into an account.
async fn claim_token(state: &Notifications, db: &Db, order: &Order) -> Result<Option<String>, Failure> {
    if order.user_id.is_some() {
        return Ok(None);
    }
    let email: Email = order.email.parse().map_err(Failure::dead)?;
    let (purpose, guest) = (Purpose::ClaimPurchases, ProofOf::Guest(order.tenant_id));
    let proof = db.write(async |tx| accounts::issue_proof(tx, purpose, guest, &email).await).await;
    let proof = proof.map_err(|error: DbError| Failure::from(error))?;
    Ok(Some(accounts::proof_token(&state.keys, purpose, proof)))
}

pub(super) async fn refunded(state: &Notifications, db: &Db, id: OrderId, amount: i64) -> Result<Vec<Letter>, Failure> {
    let order = find(db, id).await?;
    let letter = OrderRefundedLetter {
        name: buyer(db, &order).await?,
        order: id,
        amount: Money::new(amount, order.currency),
        revoked: order.fulfilment_state == FulfilmentState::Revoked,
    };
    state.write(&order.email, &letter)
}

/// One letter for each of the shop's operators.
pub(super) async fn needs_attention(state: &Notifications, db: &Db, id: OrderId) -> Result<Vec<Letter>, Failure> {
    let Some(reason) = find(db, id).await?.attention else { return Ok(Vec::new()) };
    let letter = OrderNeedsAttentionLetter { order: id, reason };
    let head = state.letterhead();
    state.shop.operators.iter().map(|operator| Ok(letter.write(&head, operator)?)).collect()
}
