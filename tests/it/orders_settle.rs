//! Settling: money makes an order paid exactly once, whatever providers say, however often and in whatever order.

use std::sync::Arc;

use mintreu::{
    catalog::{self, QuoteError, QuoteRequest, Wanted},
    db::DbError,
    execute, fetch_all, fetch_one,
    kernel::{Currency, ManualClock, Time},
    orders::{self, Handled, OpenError},
    payments::{Event, Paid},
};

use crate::support::{Sells, TestDb, Till, count, paid, refunded};

on_both!(a_product_deleted_after_it_was_priced_is_not_sold_and_nothing_is_left, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let (gone, stays) = (till.sell("gone", Sells::default()).await, till.sell("stays", Sells::default()).await);
    let buyer = till.buyer("a@example.com").await;
    let (items, tenant) = ([gone], buyer.tenant());
    let request =
        QuoteRequest { items: &items, currency: Currency::USD, coupon: None, tenant, commission_bps: 1_500, tax: None };
    let quote = catalog::quote(&till.db, request).await.expect("a price");
    till.db
        .write(async |tx| {
            for text in [
                "DELETE FROM plan_prices WHERE plan_id IN (SELECT p.id FROM plans p JOIN products o ON o.id = p.product_id
                 WHERE o.slug = 'gone')",
                "DELETE FROM plans WHERE product_id IN (SELECT id FROM products WHERE slug = 'gone')",
                "DELETE FROM products WHERE slug = 'gone'",
            ] {
                execute!(tx, sqlx::query(text))?;
            }
            Ok::<_, DbError>(())
        })
        .await
        .expect("it is deleted");
    let refused = till.open_order(&buyer, &quote).await;
    // SQLite tells all who share the commit to come again.
    let told = matches!(refused, Err(OpenError::Db(DbError::ForeignKey(_) | DbError::Aborted(_))));
    assert!(told, "{refused:?}");
    for table in
        ["SELECT COUNT(*) FROM orders", "SELECT COUNT(*) FROM order_items", "SELECT COUNT(*) FROM order_events"]
    {
        assert_eq!(count(&till.db, table).await, 0, "{table}");
    }
    till.sold(&buyer, &[stays]).await;
    till.assert_sound().await;
});

on_both!(a_hundred_copies_of_one_payment_settle_once, |test: TestDb| async move {
    let till = Arc::new(Till::open(&test).await);
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    let told = (0..100).map(|_| {
        let (till, event) = (Arc::clone(&till), Event::Paid(paid(&order)));
        tokio::spawn(async move { till.tell(event).await.expect("handled") })
    });
    let mut settled = 0;
    for handled in futures::future::join_all(told).await {
        match handled.expect("no panic") {
            Handled::Settled => settled += 1,
            other => assert_eq!(other, Handled::AlreadyPaid),
        }
    }
    assert_eq!(settled, 1);
    assert_eq!(till.jobs_of("licenses.issue").await, 1);
    assert_eq!(count(&till.db, "SELECT COUNT(*) FROM payments").await, 1);
    assert_eq!(till.balance("clearing:stripe").await, 1_999);
    till.assert_sound().await;
});

on_both!(fulfilling_again_and_at_once_gives_each_seat_one_license, |test: TestDb| async move {
    let till = Arc::new(Till::open(&test).await);
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[Wanted { quantity: 3, ..item }]).await;
    assert_eq!(till.pay(&order).await, Handled::Settled);
    let work = (0..20).map(|_| {
        let (till, order) = (Arc::clone(&till), order.id);
        tokio::spawn(async move { till.fulfil(order).await })
    });
    for done in futures::future::join_all(work).await {
        done.expect("no panic");
    }
    let mut keys: Vec<_> = till
        .licenses(order.id)
        .await
        .into_iter()
        .map(|license| license.license_key.expect("shown to its owner"))
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
    assert_eq!(till.status(order.id).await, "fulfilled");
    assert_eq!(till.jobs_of("notifications.send").await, 1, "one letter, not one for each try");
});

on_both!(an_order_that_is_not_paid_gives_nothing, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    till.fulfil(order.id).await;
    assert_eq!(till.licenses(order.id).await.len(), 0);
    assert_eq!(till.status(order.id).await, "pending");
});

on_both!(another_amount_or_currency_settles_nothing_and_is_flagged, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for (amount, currency) in
        [(1_998, Currency::USD), (2_000, Currency::USD), (1_999, Currency::EUR), (0, Currency::USD)]
    {
        let order = till.order(&buyer, std::slice::from_ref(&item)).await;
        let event = Event::Paid(Paid { amount, currency, ..paid(&order) });
        assert_eq!(till.tell(event.clone()).await, Ok(Handled::WrongAmount), "{amount} {currency}");
        // Told again, it is kept once.
        assert_eq!(till.tell(event).await, Ok(Handled::AlreadyPaid));
        let order = till.find(order.id).await;
        assert_eq!(order.status().as_str(), "pending");
        assert_eq!(order.attention.as_deref(), Some("wrong_amount"));
        till.fulfil(order.id).await;
        assert_eq!(till.licenses(order.id).await.len(), 0);
    }
    assert_eq!(till.balance("suspense").await, -(1_998 + 2_000));
    assert_eq!(till.balance_in("suspense", Currency::EUR).await, -1_999);
    assert_eq!(till.balance("vendor_payable").await, 0);
    let told: i64 = till.jobs_of("notifications.send").await;
    assert_eq!(told, 4, "operators are told of each");
    till.assert_sound().await;
});

on_both!(an_order_paid_in_two_tabs_keeps_one_payment_and_gives_the_other_back, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    assert_eq!(till.pay(&order).await, Handled::Settled);
    let second = Paid { session: "cs_2".into(), charge: Some("pi_2".into()), ..paid(&order) };
    assert_eq!(till.tell(Event::Paid(second.clone())).await, Ok(Handled::GivenBack));
    assert_eq!(till.tell(Event::Paid(second)).await, Ok(Handled::AlreadyPaid));
    assert_eq!(till.jobs_of("payments.make_refund").await, 1);
    assert_eq!(till.balance("suspense").await, -1_999);
    // The provider made it.
    let event = Event::Refunded(mintreu::payments::Refunded {
        order: Some(order.id),
        charge: "pi_2".into(),
        refunds: vec![("re_2".into(), 1_999)],
        total: None,
        currency: Currency::USD,
    });
    assert_eq!(till.tell(event).await, Ok(Handled::Refunded));
    till.fulfil(order.id).await;
    assert_eq!(till.status(order.id).await, "fulfilled", "the first payment stands");
    assert_eq!(till.licenses_in(order.id, "active").await, 1);
    assert_eq!(till.balance("suspense").await, 0);
    assert_eq!(till.balance("clearing:stripe").await, 1_999);
    till.assert_sound().await;
});

on_both!(money_for_an_order_that_had_ended_is_settled_or_goes_back_as_the_rule_says, |test: TestDb| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let mut till = Till::open_at(&test, clock.clone()).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for refunds in [false, true] {
        till.policy.late_payment_refunds = refunds;
        let (expired, cancelled) = (
            till.order(&buyer, std::slice::from_ref(&item)).await,
            till.order(&buyer, std::slice::from_ref(&item)).await,
        );
        till.db
            .write(async |tx| orders::cancel(tx, cancelled.id, mintreu::audit::Actor::user("u")).await)
            .await
            .expect("cancelled");
        clock.advance(std::time::Duration::from_hours(25));
        till.db.write(async |tx| orders::sweep(tx, &till.policy).await).await.expect("swept");
        assert_eq!(till.status(expired.id).await, "expired");
        assert_eq!(till.status(cancelled.id).await, "cancelled");
        for order in [&expired, &cancelled] {
            let before = till.status(order.id).await;
            let (handled, status) = if refunds { (Handled::GivenBack, before) } else { (Handled::Settled, "paid") };
            assert_eq!(till.pay(order).await, handled);
            assert_eq!(till.status(order.id).await, status);
        }
    }
    assert_eq!(till.jobs_of("payments.make_refund").await, 2);
    assert_eq!(count(&till.db, "SELECT COUNT(*) FROM orders WHERE paid_at IS NOT NULL").await, 2);
    till.assert_sound().await;
});

on_both!(the_price_at_the_time_of_ordering_counts, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    let order = till.order(&buyer, std::slice::from_ref(&item)).await;
    till.db.write(async |tx| execute!(tx, sqlx::query("UPDATE plan_prices SET amount = 5000"))).await.expect("dearer");
    assert_eq!(till.pay(&order).await, Handled::Settled);
    assert_eq!(till.order(&buyer, &[item]).await.total, 5_000);
});

on_both!(the_last_use_of_a_coupon_goes_to_one_of_many_orders_at_once, |test: TestDb| async move {
    let till = Arc::new(Till::open(&test).await);
    let item = till.sell("ink", Sells::default()).await;
    till.coupon("HALF", 5_000, Some(1)).await;
    let buyer = till.buyer("a@example.com").await;
    let tries = (0..20).map(|_| {
        let (till, buyer, item) = (Arc::clone(&till), buyer.clone(), item.clone());
        tokio::spawn(async move { till.try_order(&buyer, &[item], Currency::USD, Some("half")).await })
    });
    let mut opened = Vec::new();
    for result in futures::future::join_all(tries).await {
        match result.expect("no panic") {
            Ok(order) => opened.push(order),
            Err(error) => assert!(matches!(error, OpenError::Quote(QuoteError::Coupon(_))), "{error}"),
        }
    }
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].total, 999, "half of 1999 is 999.5, and the discount is rounded up");
    assert_eq!(count(&till.db, "SELECT COUNT(*) FROM orders").await, 1, "a refused order leaves nothing");
    // Called off, its use is free again.
    till.db
        .write(async |tx| orders::cancel(tx, opened[0].id, mintreu::audit::Actor::user("u")).await)
        .await
        .expect("cancelled");
    assert!(till.try_order(&buyer, &[item], Currency::USD, Some("HALF")).await.is_ok());
});

on_both!(an_order_that_costs_nothing_is_paid_at_once, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    till.coupon("GIFT", 10_000, None).await;
    let buyer = till.buyer("a@example.com").await;
    let order = till.try_order(&buyer, &[item], Currency::USD, Some("GIFT")).await.expect("opened");
    assert_eq!((order.total, order.status().as_str()), (0, "paid"));
    till.fulfil(order.id).await;
    assert_eq!(till.licenses_in(order.id, "active").await, 1);
    assert_eq!(till.balance("coupons").await, 1_999);
    assert_eq!(till.balance("clearing:stripe").await, 0);
    till.assert_sound().await;
});

on_both!(sales_are_divided_to_the_last_unit_in_currencies_of_0_2_and_3_decimals, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let buyer = till.buyer("a@example.com").await;
    till.coupon("THIRD", 3_333, None).await;
    for (slug, currency, price) in
        [("yen", Currency::JPY, 101), ("euro", Currency::EUR, 999), ("dinar", Currency::KWD, 12_345)]
    {
        let items: Vec<Wanted> = futures::future::join_all((0..3).map(|n| {
            let (till, slug) = (&till, format!("{slug}-{n}"));
            async move {
                till.sell(&slug, Sells { currency, price: price + n, commission_bps: 1_250 + n, ..Sells::default() })
                    .await
            }
        }))
        .await;
        let order = till.try_order(&buyer, &items, currency, Some("THIRD")).await.expect("opened");
        let expected = mintreu::kernel::money::share(order.subtotal, 3_333);
        assert_eq!(order.discount, expected, "{currency}");
        assert_eq!(order.total, order.subtotal - order.discount + order.tax);
        assert_eq!(till.pay(&order).await, Handled::Settled);
        assert_eq!(till.balance_in("clearing:stripe", currency).await, order.total);
        assert_eq!(till.balance_in("coupons", currency).await, order.discount);
        // Refunded in three uneven parts, nothing is left anywhere.
        let parts = [order.total / 3, 1, order.total - order.total / 3 - 1];
        for (n, part) in parts.into_iter().enumerate() {
            assert_eq!(till.tell(refunded(&order, &format!("re_{slug}_{n}"), part)).await, Ok(Handled::Refunded));
        }
        for account in ["clearing:stripe", "coupons", "commission", "vendor_payable", "tax"] {
            assert_eq!(till.balance_in(account, currency).await, 0, "{account} {currency}");
        }
    }
    till.assert_sound().await;
});

on_both!(a_fee_is_booked_once_however_often_it_is_told, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells { price: 10_000, ..Sells::default() }).await;
    let buyer = till.buyer("a@example.com").await;
    let order = till.order(&buyer, std::slice::from_ref(&item)).await;
    let fee = |amount| Event::FeeKnown {
        charge: crate::support::charge(&order),
        fee: mintreu::kernel::Money::new(amount, Currency::USD),
    };
    assert!(till.tell(fee(320)).await.is_err(), "a fee before its payment waits");
    assert_eq!(till.pay(&order).await, Handled::Settled);
    assert_eq!(till.tell(fee(320)).await, Ok(Handled::FeeBooked));
    assert_eq!(till.tell(fee(320)).await, Ok(Handled::NoChange));
    assert_eq!(till.balance("clearing:stripe").await, 9_680);
    assert_eq!(till.balance("fees").await, 48, "the platform's 15 %");
    assert_eq!(till.balance("vendor_payable").await, -(8_500 - 272));
    till.assert_sound().await;
});

on_both!(nobody_can_edit_the_ledger, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.order(&till.buyer("a@example.com").await, &[item]).await;
    assert_eq!(till.pay(&order).await, Handled::Settled);
    for statement in ["UPDATE ledger_entries SET amount = amount + 1", "DELETE FROM ledger_entries"] {
        assert!(till.db.write(async |tx| execute!(tx, sqlx::query(statement))).await.is_err(), "{statement}");
    }
    till.assert_sound().await;
});

on_both!(a_guests_purchases_go_to_the_account_that_proved_the_address, |test: TestDb| async move {
    let till = Till::open(&test).await;
    let item = till.sell("ink", Sells::default()).await;
    let order = till.sold(&Till::guest("g@example.com"), &[item]).await;
    let person = crate::support::sign_in(&till.db, "g@example.com", mintreu::accounts::Role::Customer).await;
    assert!(orders::find(&till.db, person.tenant, order.id).await.expect("answers").is_none());
    let work = mintreu::accounts::AttachPurchases { from: order.tenant_id, to: person.tenant, user: person.user };
    for _ in 0..2 {
        till.db.write(async |tx| orders::attach_purchases(tx, &work).await).await.expect("attached");
    }
    assert!(orders::find(&till.db, person.tenant, order.id).await.expect("answers").is_some());
    let owners: Vec<(Option<mintreu::kernel::UserId>,)> =
        fetch_all!(till.db, sqlx::query_as("SELECT user_id FROM licenses WHERE tenant_id = $1").bind(person.tenant))
            .expect("answers");
    assert_eq!(owners, [(Some(person.user),)]);
    let moved: i64 = fetch_one!(
        till.db,
        sqlx::query_scalar("SELECT COUNT(*) FROM order_events WHERE order_id = $1 AND event = 'attached'")
            .bind(order.id)
    )
    .expect("answers");
    assert_eq!(moved, 1);
});
