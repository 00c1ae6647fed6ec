//! What notices about licences and subscriptions come to.

use super::{notifications::Letters, order_letters::name};
use crate::{
    db::Db,
    kernel::{LicenseId, Money, SubscriptionId},
    licenses,
    notifications::{LicenseExpiringLetter, Owed, RenewalFailedLetter, SubscriptionEndedLetter},
    orders::{
        self,
        subscriptions::{self, SubscriptionStatus},
    },
};

/// A licence ends soon; nobody is told of one that its subscription prolongs by itself.
pub(super) async fn license_expiring(db: &Db, id: LicenseId, days: i64) -> Letters {
    let Some(license) = licenses::find_any(db, id).await? else { return Ok(Vec::new()) };
    let (Some(expires_at), Some(order)) = (license.expires_at, orders::find_any(db, license.order).await?) else {
        return Ok(Vec::new());
    };
    if subscriptions::prolongs(db, license.order_item).await? {
        return Ok(Vec::new());
    }
    let letter = LicenseExpiringLetter {
        name: name(db, order.user_id).await?,
        license: id,
        product: license.product.title,
        key: license.key_hint,
        days,
        expires_at,
        renews: false,
    };
    // The licence may be renewed, and end again.
    Ok(vec![Owed::new(order.email, order.user_id, letter).on(expires_at.as_secs())])
}

/// A renewal could not be charged; nothing is said once it was.
pub(super) async fn renewal_failed(db: &Db, id: SubscriptionId) -> Letters {
    let Some(told) = subscriptions::holder(db, id).await? else { return Ok(Vec::new()) };
    if told.status != SubscriptionStatus::PastDue {
        return Ok(Vec::new());
    }
    let letter = RenewalFailedLetter {
        name: told.name,
        subscription: id,
        product: told.title,
        amount: Money::new(told.amount, told.currency),
        next_try: told.dunning_at,
    };
    // Another period may fail as well.
    Ok(vec![Owed::new(told.email, told.user_id, letter).on(told.period_end.as_secs())])
}

/// A subscription ended.
pub(super) async fn subscription_ended(db: &Db, id: SubscriptionId) -> Letters {
    let Some(told) = subscriptions::holder(db, id).await? else { return Ok(Vec::new()) };
    let Some(ended_at) = told.cancelled_at else { return Ok(Vec::new()) };
    let letter = SubscriptionEndedLetter { name: told.name, subscription: id, product: told.title, ended_at };
    Ok(vec![Owed::new(told.email, told.user_id, letter)])
}
