//! What was bought: it is given and billed first, and then it ends.

use uuid::Uuid;

use super::{ACTOR, DeletionError, Wait};
use crate::{
    db::Db,
    fetch_all,
    kernel::{OrderId, SubscriptionId, TenantId},
    licenses,
    orders::{
        self, CancelError,
        subscriptions::{self, CancelSubscription, EndError},
    },
    privacy::{
        catalogue::spelled,
        subject::{Subject, bind_subject},
    },
};

/// As the log of a licence says it.
const WHY: &str = "account deleted";

/// Papers are issued with the name and the address that the order has, and keep them: so they come first.
pub(super) async fn await_papers(db: &Db, subject: &Subject) -> Result<(), DeletionError> {
    let owed = "SELECT order_id FROM invoices_due WHERE order_id IN ({orders})
                UNION SELECT id FROM orders WHERE id IN ({orders}) AND payment_state = 'paid'
                    AND fulfilment_state = 'unfulfilled' LIMIT 1";
    let owed: Vec<Uuid> = subject.ids(db, owed).await?;
    if owed.is_empty() { Ok(()) } else { Err(DeletionError::Waits(Wait::Papers)) }
}

/// Ends subscriptions, which a job tells their providers; cancels what is not paid; ends licences, and with them API keys
/// and what vendors keep for them elsewhere.
pub(super) async fn end(db: &Db, subject: &Subject) -> Result<(), DeletionError> {
    let text = spelled(
        "SELECT id, tenant_id FROM subscriptions
         WHERE (tenant_id IN ({tenants}) OR order_id IN ({orders})) AND status IN ('active', 'trialing', 'past_due')",
        db.dialect(),
    );
    let alive: Vec<(SubscriptionId, TenantId)> =
        fetch_all!(db, bind_subject!(sqlx::query_as(sqlx::AssertSqlSafe(text.as_str())), subject))?;
    for (id, tenant) in alive {
        let now = CancelSubscription::Now;
        match db.write(async |tx| subscriptions::request_end(tx, tenant, id, now, ACTOR).await).await {
            Ok(()) | Err(EndError::NotFound | EndError::Ended) => {}
            Err(EndError::Db(error)) => return Err(error.into()),
        }
    }
    let open = "SELECT id FROM orders WHERE id IN ({orders}) AND payment_state IN ('pending', 'awaiting_payment')";
    for order in subject.ids(db, open).await? {
        match db.write(async |tx| orders::cancel(tx, OrderId::from_uuid(order), ACTOR).await).await {
            Ok(()) | Err(CancelError::NotOpen) => {}
            Err(CancelError::Db(error)) => return Err(error.into()),
        }
    }
    for tenant in subject.ids(db, "SELECT id FROM tenants WHERE id IN ({tenants})").await? {
        let tenant = TenantId::from_uuid(tenant);
        while db.write(async |tx| licenses::end_of_tenant(tx, tenant, WHY).await).await? == licenses::BATCH {}
    }
    Ok(())
}
