//! What of the installation's work can be named: a job, an actor, a flag, an entry of the trail and of the books.

use mintreu::{
    db::DbError,
    execute,
    kernel::{DisputeId, PaymentId, RefundId},
};

use super::Premises;
use crate::journey_shop::until;

pub(super) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let operator = &premises.operator;
    let first = async |path: &str, name: &str| {
        until("there is one", async || {
            let list = premises.get(path, operator).await;
            list["data"][0][name].as_str().map(str::to_owned).ok_or(list)
        })
        .await
    };
    let payment = first("/api/admin/payments?state=succeeded&sort=created", "id").await;
    let (refund, dispute) = trouble(premises, payment.parse().expect("a payment")).await;
    vec![
        ("/api/admin/actors/{actor}", "accounts".to_owned()),
        ("/api/admin/jobs/{job}", first("/api/admin/jobs?state=completed", "id").await),
        ("/api/admin/queues/{queue}", "accounts".to_owned()),
        ("/api/admin/schedules/{schedule}", first("/api/admin/schedules", "name").await),
        ("/api/admin/flags/{flag}", "downloads.proxy".to_owned()),
        ("/api/admin/switches/{switch}", "ai".to_owned()),
        ("/api/admin/audit/{entry}", first("/api/admin/audit", "id").await),
        ("/api/admin/ledger/transactions/{transaction}", first("/api/admin/ledger/transactions", "id").await),
        ("/api/admin/payments/{payment}", payment),
        ("/api/admin/refunds/{refund}", refund.to_string()),
        ("/api/admin/disputes/{dispute}", dispute.to_string()),
        ("/api/admin/subscriptions/{subscription}", first("/api/admin/subscriptions", "id").await),
    ]
}

/// A refund that the provider refused, and a dispute that was won: neither moved any money.
async fn trouble(premises: &Premises, payment: PaymentId) -> (RefundId, DisputeId) {
    let (refund, dispute): (RefundId, DisputeId) = (premises.db.ids().next(), premises.db.ids().next());
    let written = premises.db.write(async |tx| {
        let now = tx.now();
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO refunds (id, order_id, payment_id, provider, amount, currency, state, reason, created_at)
                 SELECT $1, order_id, id, provider, 1, currency, 'failed', 'because', $2 FROM payments WHERE id = $3"
            )
            .bind(refund)
            .bind(now)
            .bind(payment)
        )?;
        execute!(
            tx,
            sqlx::query(
                "INSERT INTO disputes (id, order_id, payment_id, provider, provider_ref, amount, currency, state, reason,
                        opened_at, closed_at)
                 SELECT $1, order_id, id, provider, 'dp_1', 1, currency, 'won', 'because', $2, $2 FROM payments
                 WHERE id = $3"
            )
            .bind(dispute)
            .bind(now)
            .bind(payment)
        )
    });
    let written: Result<u64, DbError> = written.await;
    assert_eq!(written.expect("written"), 1);
    (refund, dispute)
}
