//! What notices about orders, licences and subscriptions come to: gathered when the letter is written, so that a letter
//! that was late tells what is true now.

use super::notifications::Notifications;
use crate::{
    accounts, catalog,
    db::Db,
    downloads::{self, Offered},
    jobs::Failure,
    kernel::{LicenseId, Money, OrderId, ProductId, SubscriptionId, UserId},
    licenses,
    notifications::{
        Letter, LicenseExpiringLetter, OrderFulfilledLetter, OrderLine, OrderNeedsAttentionLetter, OrderRefundedLetter,
        RenewalFailedLetter, SubscriptionEndedLetter,
    },
    orders::{
        self, FulfilmentState,
        subscriptions::{self, SubscriptionStatus},
    },
};

type Letters = Result<Vec<Letter>, Failure>;

/// What a buyer is called; guests have no name.
async fn name(db: &Db, user: Option<UserId>) -> Result<Option<String>, Failure> {
    let Some(user) = user else { return Ok(None) };
    Ok(accounts::find_any_account(db, user).await?.map(|account| account.name))
}

/// How many files of a product a letter names.
const MOST_FILES: usize = 5;

/// The first files that a product offers, and where all of them are.
async fn files_of(
    state: &Notifications,
    db: &Db,
    product: ProductId,
) -> Result<(Vec<String>, Option<String>), Failure> {
    let offered = downloads::offered(db, product).await?;
    if offered.is_empty() {
        return Ok((Vec::new(), None));
    }
    let named = |file: Offered| match file.version.as_str() {
        "" => file.name,
        version => format!("{} ({version})", file.name),
    };
    let files = offered.into_iter().take(MOST_FILES).map(named).collect();
    let product = catalog::product(db, product).await?;
    let place = |slug: &str| format!("{}/api/products/{slug}/sources", state.shop.public_url);
    Ok((files, product.map(|product| place(&product.fields.slug))))
}

/// What a paid order gave; for a guest, how to take it into an account.
pub(super) async fn order_fulfilled(state: &Notifications, db: &Db, id: OrderId) -> Letters {
    let Some(order) = orders::find_any(db, id).await? else { return Ok(Vec::new()) };
    if order.fulfilment_state != FulfilmentState::Fulfilled {
        return Ok(Vec::new());
    }
    let licenses = licenses::of_order(db, &state.license_keys, id).await.map_err(Failure::retry)?;
    let mut lines = Vec::new();
    for item in orders::items(db, id).await? {
        let keys = licenses.iter().filter(|it| it.order_item == item.id).filter_map(|it| it.license_key.clone());
        let (files, downloads) = files_of(state, db, item.product_id).await?;
        lines.push(OrderLine {
            keys: keys.collect(),
            title: item.title,
            plan: item.plan_name,
            quantity: item.quantity,
            files,
            downloads,
        });
    }
    let proof = match order.user_id {
        Some(_) => None,
        None => accounts::claim_of_guest(db, order.tenant_id).await?,
    };
    let letter = OrderFulfilledLetter {
        name: name(db, order.user_id).await?,
        order: id,
        lines,
        total: Money::new(order.total, order.currency),
        claim_token: proof.map(|proof| accounts::proof_token(&state.keys, accounts::Purpose::ClaimPurchases, proof)),
    };
    state.write(&order.email, &letter)
}

/// Money went back.
pub(super) async fn order_refunded(state: &Notifications, db: &Db, id: OrderId, amount: i64) -> Letters {
    let Some(order) = orders::find_any(db, id).await? else { return Ok(Vec::new()) };
    let letter = OrderRefundedLetter {
        name: name(db, order.user_id).await?,
        order: id,
        amount: Money::new(amount, order.currency),
        revoked: order.fulfilment_state == FulfilmentState::Revoked,
    };
    state.write(&order.email, &letter)
}

/// A licence ends soon; nobody is told of one that its subscription prolongs by itself.
pub(super) async fn license_expiring(state: &Notifications, db: &Db, id: LicenseId, days: i64) -> Letters {
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
    state.write(&order.email, &letter)
}

/// A renewal could not be charged; nothing is said once it was.
pub(super) async fn renewal_failed(state: &Notifications, db: &Db, id: SubscriptionId) -> Letters {
    let Some(told) = subscriptions::holder(db, id).await? else { return Ok(Vec::new()) };
    if told.status != SubscriptionStatus::PastDue {
        return Ok(Vec::new());
    }
    let letter = RenewalFailedLetter {
        name: name(db, told.user_id).await?,
        subscription: id,
        product: told.title,
        amount: Money::new(told.amount, told.currency),
        next_try: told.dunning_at,
    };
    state.write(&told.email, &letter)
}

/// A subscription ended.
pub(super) async fn subscription_ended(state: &Notifications, db: &Db, id: SubscriptionId) -> Letters {
    let Some(told) = subscriptions::holder(db, id).await? else { return Ok(Vec::new()) };
    let Some(ended_at) = told.cancelled_at else { return Ok(Vec::new()) };
    let letter = SubscriptionEndedLetter {
        name: name(db, told.user_id).await?,
        subscription: id,
        product: told.title,
        ended_at,
    };
    state.write(&told.email, &letter)
}

/// To every operator: an order that a person has to look at.
pub(super) async fn order_needs_attention(state: &Notifications, db: &Db, id: OrderId) -> Letters {
    let attention = orders::find_any(db, id).await?.and_then(|order| order.attention);
    let Some(reason) = attention else { return Ok(Vec::new()) };
    let letter = OrderNeedsAttentionLetter { order: id, reason: orders::explain_attention(&reason).to_owned() };
    let mut letters = Vec::new();
    for operator in &state.shop.operators {
        letters.extend(state.write(operator, &letter)?);
    }
    Ok(letters)
}
