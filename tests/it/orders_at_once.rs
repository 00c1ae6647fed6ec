//! Given with the money: what was bought is there in the transaction that settles, unless something speaks against it.

use mintreu::{
    catalog::Wanted,
    db::{DbError, Tx},
    execute,
    jobs::{Job, admin},
    licenses::IssueLicenses,
    orders::Handled,
    payments::Event,
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
