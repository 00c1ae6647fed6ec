//! Refunds and disputes: money that goes back takes with it what it bought, and only that.

use std::sync::Arc;

use mintreu::{
    kernel::Currency,
    orders::{self, Handled, RefundError},
    payments::{DisputeNews, Event, RefundAccepted, Refunded},
};

use crate::support::{Sells, TestDb, Till, charge, count, paid, refunded};

on_both!(a_refund_told_before_its_payment_waits_for_it, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    let refund = refunded(&order, "re_1", 1_999);
    assert_eq!(till.tell(refund.clone()).await, Ok(Handled::Waiting));
    assert_eq!(till.status(order.id).await, "pending");
    assert_eq!(till.pay(&order).await, Handled::Settled);
    assert_eq!(till.status(order.id).await, "refunded");
    assert_eq!(till.tell(refund).await, Ok(Handled::NoChange), "told again it changes nothing");
    till.fulfil(order.id).await;
    assert_eq!(till.licenses(order.id).await.len(), 0, "nothing is given for money that is gone");
    assert_eq!(till.balance("clearing:stripe").await, 0);
    assert_eq!(till.balance("vendor_payable").await, 0);
    till.assert_sound().await;
});

on_both!(refund_and_payment_told_at_once_end_the_same, |test: TestDb| async move {
    let till = Arc::new(Till::open(&test).await);
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for round in 0..20 {
        let order = till.order(&buyer, std::slice::from_ref(&item)).await;
        let events = [Event::Paid(paid(&order)), refunded(&order, &format!("re_{round}"), 1_999)];
        let told = events.map(|event| {
            let till = Arc::clone(&till);
            tokio::spawn(async move { till.tell(event).await.expect("handled") })
        });
        futures::future::join_all(told).await;
        assert_eq!(till.status(order.id).await, "refunded", "round {round}");
    }
    assert_eq!(till.balance("clearing:stripe").await, 0);
    till.assert_sound().await;
});

on_both!(refunding_one_of_two_orders_keeps_the_others_license, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let one = till.sold(&buyer, std::slice::from_ref(&item)).await;
    let other = till.sold(&buyer, &[item]).await;
    assert_eq!(till.tell(refunded(&one, "re_1", 1_999)).await, Ok(Handled::Refunded));
    assert_eq!(till.status(one.id).await, "refunded");
    assert_eq!(till.licenses_in(one.id, "revoked").await, 1);
    assert_eq!(till.status(other.id).await, "fulfilled");
    assert_eq!(till.licenses_in(other.id, "active").await, 1);
    till.assert_sound().await;
});

on_both!(a_partial_refund_does_what_the_rule_says, |test: TestDb| async move {
    let mut till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for (revokes, status) in [(false, "active"), (true, "revoked")] {
        till.policy.partial_refund_revokes = revokes;
        let order = till.sold(&buyer, std::slice::from_ref(&item)).await;
        assert_eq!(till.tell(refunded(&order, &format!("re_{revokes}"), 500)).await, Ok(Handled::Refunded));
        assert_eq!(till.status(order.id).await, "partially_refunded");
        assert_eq!(till.licenses_in(order.id, status).await, 1);
        // The rest makes it a full one in any case.
        assert_eq!(till.tell(refunded(&order, &format!("re_{revokes}_2"), 1_499)).await, Ok(Handled::Refunded));
        assert_eq!(till.status(order.id).await, "refunded");
        assert_eq!(till.licenses_in(order.id, "revoked").await, 1);
    }
    till.assert_sound().await;
});

on_both!(refunds_that_come_as_a_sum_are_told_apart_from_those_by_name, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let sum = |order: &orders::Order, total| {
        Event::Refunded(Refunded {
            order: Some(order.id),
            charge: charge(order),
            refunds: vec![],
            total: Some(total),
            currency: Currency::USD,
        })
    };
    // First the sum, then the name.
    let order = till.sold(&buyer, std::slice::from_ref(&item)).await;
    assert_eq!(till.tell(sum(&order, 700)).await, Ok(Handled::Refunded));
    assert_eq!(till.tell(refunded(&order, "re_1", 700)).await, Ok(Handled::NoChange));
    // First the name, then the sum.
    assert_eq!(till.tell(refunded(&order, "re_2", 300)).await, Ok(Handled::Refunded));
    assert_eq!(till.tell(sum(&order, 1_000)).await, Ok(Handled::NoChange));
    // An old sum changes nothing.
    assert_eq!(till.tell(sum(&order, 700)).await, Ok(Handled::NoChange));
    assert_eq!(till.find(order.id).await.refunded, 1_000);
    assert_eq!(till.balance("clearing:stripe").await, 999);
    till.assert_sound().await;
});

on_both!(a_wanted_refund_is_applied_once_whether_answer_or_event_comes_first, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for event_first in [false, true] {
        let order = till.sold(&buyer, std::slice::from_ref(&item)).await;
        let (refund, money) = till
            .db
            .write(async |tx| orders::request_refund(tx, order.id, None, Some(600), "too slow").await)
            .await
            .expect("wanted");
        assert_eq!(money.amount, 600);
        let reference = format!("re_{event_first}");
        let accepted = RefundAccepted { reference: reference.clone(), succeeded: true };
        if event_first {
            assert_eq!(till.tell(refunded(&order, &reference, 600)).await, Ok(Handled::Refunded));
        }
        for _ in 0..2 {
            till.db.write(async |tx| orders::made(tx, refund, &accepted, &till.policy).await).await.expect("made");
        }
        assert_eq!(till.tell(refunded(&order, &reference, 600)).await, Ok(Handled::NoChange));
        assert_eq!(till.find(order.id).await.refunded, 600, "event first: {event_first}");
        assert!(orders::planned(&till.db, refund).await.expect("answers").is_none(), "nothing is left to ask for");
    }
    assert_eq!(count(&till.db, "SELECT COUNT(*) FROM refunds").await, 2);
    till.assert_sound().await;
});

on_both!(refunds_wanted_at_once_never_exceed_the_payment, |test: TestDb| async move {
    let till = Arc::new(Till::open(&test).await);
    let item = till.sell("ink", Sells::default()).await;
    let order = till.sold(&till.buyer("a@example.com").await, &[item]).await;
    let wanted = (0..10).map(|_| {
        let (till, order) = (Arc::clone(&till), order.id);
        tokio::spawn(async move {
            till.db.write(async |tx| orders::request_refund(tx, order, None, Some(1_000), "again").await).await
        })
    });
    let mut accepted = 0;
    for result in futures::future::join_all(wanted).await {
        match result.expect("no panic") {
            Ok(_) => accepted += 1,
            Err(error) => assert!(matches!(error, RefundError::TooMuch(_)), "{error}"),
        }
    }
    assert_eq!(accepted, 1);
    let ask =
        async |amount| till.db.write(async |tx| orders::request_refund(tx, order.id, None, amount, "x").await).await;
    assert!(matches!(ask(Some(0)).await, Err(RefundError::NotPositive)));
    assert!(matches!(ask(Some(-5)).await, Err(RefundError::NotPositive)));
    assert_eq!(ask(None).await.expect("the rest").1.amount, 999);
    assert!(matches!(ask(None).await, Err(RefundError::TooMuch(_))));
});

on_both!(a_refund_that_the_provider_refuses_is_flagged_and_changes_nothing, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.sold(&till.buyer("a@example.com").await, &[item]).await;
    let want = async || till.db.write(async |tx| orders::request_refund(tx, order.id, None, None, "x").await).await;
    let (refund, _) = want().await.expect("wanted");
    till.db.write(async |tx| orders::refused(tx, refund, "no funds").await).await.expect("noted");
    let found = till.find(order.id).await;
    assert_eq!((found.status().as_str(), found.attention.as_deref()), ("fulfilled", Some("refund_refused")));
    assert!(want().await.is_ok(), "it can be tried again");
});

on_both!(an_unpaid_order_has_nothing_to_refund, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    let wanted = till.db.write(async |tx| orders::request_refund(tx, order.id, None, None, "x").await).await;
    assert!(matches!(wanted, Err(RefundError::NothingPaid)));
});

fn dispute(order: &orders::Order, reference: &str) -> DisputeNews {
    DisputeNews {
        reference: reference.into(),
        order: None,
        charge: charge(order),
        amount: order.total,
        currency: order.currency,
        reason: "fraudulent".into(),
    }
}

on_both!(a_dispute_that_is_won_changes_nothing_in_the_end, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.sold(&till.buyer("a@example.com").await, &[item]).await;
    let news = dispute(&order, "dp_1");
    assert_eq!(till.tell(Event::DisputeOpened(news.clone())).await, Ok(Handled::Disputed));
    assert_eq!(till.tell(Event::DisputeOpened(news.clone())).await, Ok(Handled::NoChange));
    assert_eq!(till.status(order.id).await, "disputed");
    assert_eq!((till.balance("clearing:stripe").await, till.balance("disputed:stripe").await), (0, 1_999));
    assert_eq!(till.licenses_in(order.id, "active").await, 1);
    let won = Event::DisputeClosed { dispute: news.clone(), won: true };
    assert_eq!(till.tell(won.clone()).await, Ok(Handled::DisputeWon));
    assert_eq!(till.tell(won).await, Ok(Handled::NoChange));
    assert_eq!(till.tell(Event::DisputeClosed { dispute: news, won: false }).await, Ok(Handled::NoChange));
    assert_eq!(till.status(order.id).await, "fulfilled");
    assert_eq!((till.balance("clearing:stripe").await, till.balance("disputed:stripe").await), (1_999, 0));
    till.assert_sound().await;
});

on_both!(a_dispute_that_is_lost_revokes_and_reverses_the_sale, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.sold(&till.buyer("a@example.com").await, &[item]).await;
    // Its end is told before its beginning.
    let lost = Event::DisputeClosed { dispute: dispute(&order, "dp_1"), won: false };
    assert_eq!(till.tell(lost.clone()).await, Ok(Handled::DisputeLost));
    assert_eq!(till.tell(lost).await, Ok(Handled::NoChange));
    assert_eq!(till.tell(Event::DisputeOpened(dispute(&order, "dp_1"))).await, Ok(Handled::NoChange));
    assert_eq!(till.status(order.id).await, "disputed");
    assert_eq!(till.licenses_in(order.id, "revoked").await, 1);
    for account in ["clearing:stripe", "disputed:stripe", "vendor_payable", "commission"] {
        assert_eq!(till.balance(account).await, 0, "{account}");
    }
    till.assert_sound().await;
});

on_both!(a_dispute_of_an_unknown_payment_waits, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    assert!(till.tell(Event::DisputeOpened(dispute(&order, "dp_1"))).await.is_err(), "tried again later");
    assert_eq!(till.pay(&order).await, Handled::Settled);
    assert_eq!(till.tell(Event::DisputeOpened(dispute(&order, "dp_1"))).await, Ok(Handled::Disputed));
});
