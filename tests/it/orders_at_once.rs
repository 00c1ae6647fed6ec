//! Given with the money: what was bought is there in the transaction that settles, unless something speaks against it.

use std::sync::Arc;

use mintreu::{
    catalog::{BillingCycle, Wanted},
    db::{DbError, Tx},
    execute,
    jobs::{Job, admin},
    licenses::IssueLicenses,
    orders::{Handled, Order},
    payments::{Event, Paid, Renewed},
};

use crate::support::{Sells, TestDb, Till, paid, refunded};

on_both!(what_was_bought_is_given_with_the_money_once, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let one = till.order(&buyer, std::slice::from_ref(&item)).await;
    let three = till.order(&buyer, &[Wanted { quantity: 3, ..item }]).await;
    let told = [&one, &three, &one].map(|order| Event::Paid(paid(order)));
    let handled = till.tell_all(told.to_vec()).await;
    assert_eq!(handled, [Handled::Settled, Handled::Settled, Handled::AlreadyPaid]);
    for (order, seats) in [(&one, 1), (&three, 3)] {
        assert_eq!(till.status(order.id).await, "fulfilled");
        assert_eq!(till.licenses_in(order.id, "active").await, seats);
        let order = till.find(order.id).await;
        assert!(order.fulfilled_at >= order.paid_at);
    }
    assert_eq!(till.jobs_of(IssueLicenses::KIND).await, 0, "nothing is owed any more");
    assert_eq!(till.jobs_of("notifications.send").await, 2, "a letter for each");

    assert_eq!(till.tell_all(vec![Event::Paid(paid(&one))]).await, [Handled::AlreadyPaid]);
    till.fulfil(one.id).await;
    assert_eq!(till.licenses_in(one.id, "active").await, 1);
    till.assert_sound().await;
});

on_both!(what_is_refunded_with_its_payment_gives_nothing, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for paid_first in [true, false] {
        let order = till.order(&buyer, std::slice::from_ref(&item)).await;
        let back = refunded(&order, &format!("re_{}", order.id), order.total);
        let mut told = vec![Event::Paid(paid(&order)), back];
        if !paid_first {
            told.reverse();
        }
        assert!(till.tell_all(told).await.contains(&Handled::Settled));
        assert_eq!(till.status(order.id).await, "refunded");
        till.fulfil(order.id).await;
        assert_eq!(till.licenses(order.id).await.len(), 0, "paid first: {paid_first}");
    }
    till.assert_sound().await;
});

on_both!(a_refund_beside_its_payment_leaves_no_license, |test: TestDb| async move {
    let till = Arc::new(Till::open(&test).await);
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for _ in 0..5 {
        let mut orders = Vec::new();
        for _ in 0..12 {
            orders.push(till.order(&buyer, std::slice::from_ref(&item)).await);
        }
        // On SQLite they share commits, and a refund may follow its payment within one.
        let told =
            orders.iter().flat_map(|order| [Event::Paid(paid(order)), refunded(order, &refund(order), order.total)]);
        let told = told.map(|event| {
            let till = Arc::clone(&till);
            tokio::spawn(async move { till.tell_all(vec![event]).await })
        });
        for handled in futures::future::join_all(told.collect::<Vec<_>>()).await {
            assert_eq!(handled.expect("no panic").len(), 1);
        }
        for order in &orders {
            till.fulfil(order.id).await;
            assert_eq!(till.status(order.id).await, "refunded");
            assert_eq!(till.licenses_in(order.id, "active").await, 0);
        }
    }
    till.assert_sound().await;
});

fn refund(order: &Order) -> String {
    format!("re_{}", order.id)
}

on_both!(a_subscription_that_ended_with_its_payment_gives_what_has_ended, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("cloud", Sells { billing: BillingCycle::Monthly, ..Sells::default() }).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    let begun = Event::Paid(Paid { subscription: Some("sub_1".into()), ..paid(&order) });
    let ended = Event::SubscriptionEnded { subscription: "sub_1".into() };
    assert_eq!(till.tell_all(vec![begun, ended]).await, [Handled::Settled, Handled::SubscriptionEnded]);
    assert_eq!(till.status(order.id).await, "fulfilled");
    assert_eq!((till.licenses_in(order.id, "active").await, till.licenses_in(order.id, "cancelled").await), (0, 1));
    till.assert_sound().await;
});

on_both!(a_renewal_before_the_licenses_were_given_counts, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("cloud", Sells { billing: BillingCycle::Monthly, ..Sells::default() }).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    till.db.write(async |tx| admin::pause(tx, IssueLicenses::QUEUE, "a new signing key").await).await.expect("paused");
    let begun = Event::Paid(Paid { subscription: Some("sub_1".into()), ..paid(&order) });
    let until = till.db.now().plus_days(60);
    let renewed = Event::Renewed(Renewed {
        subscription: "sub_1".into(),
        invoice: "in_2".into(),
        charge: Some("pi_2".into()),
        amount: order.total,
        currency: order.currency,
        period_end: until,
    });
    assert_eq!(till.tell_all(vec![begun, renewed]).await, [Handled::Settled, Handled::Renewed]);
    assert_eq!(till.licenses(order.id).await.len(), 0);
    till.fulfil(order.id).await;
    let license = till.licenses(order.id).await.remove(0);
    assert!(license.expires_at >= Some(until), "{license:?}");
    till.assert_sound().await;
});

on_both!(while_its_queue_is_paused_licensing_gives_nothing, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    till.db.write(async |tx| admin::pause(tx, IssueLicenses::QUEUE, "a new signing key").await).await.expect("paused");
    assert_eq!(till.tell_all(vec![Event::Paid(paid(&order))]).await, [Handled::Settled]);
    assert_eq!((till.status(order.id).await, till.licenses(order.id).await.len()), ("paid", 0));
    assert_eq!(till.jobs_of(IssueLicenses::KIND).await, 1, "it is owed");
    till.fulfil(order.id).await;
    assert_eq!(till.licenses_in(order.id, "active").await, 1);
});

on_both!(money_counts_whatever_becomes_of_the_goods, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let (broken, sound) = (till.order(&buyer, std::slice::from_ref(&item)).await, till.order(&buyer, &[item]).await);
    let spoil = async |tx: &mut Tx| -> Result<u64, DbError> {
        execute!(tx, sqlx::query("UPDATE order_items SET limits = 'spoilt' WHERE order_id = $1").bind(broken.id))
    };
    assert_eq!(till.db.write(spoil).await.expect("spoilt"), 1);
    let handled = till.tell_all([&broken, &sound].map(|order| Event::Paid(paid(order))).to_vec()).await;
    assert_eq!(handled, [Handled::Settled, Handled::Settled]);
    assert_eq!((till.status(broken.id).await, till.status(sound.id).await), ("paid", "fulfilled"));
    assert_eq!(till.jobs_of(IssueLicenses::KIND).await, 1, "a person finds the one that failed");
    till.assert_sound().await;
});
