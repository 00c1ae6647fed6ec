//! Money that does not fit, comes twice, too late or is fought over: never settled by mistake, never ignored.

use mintreu::orders::Reconcile;
use serde_json::{Value, json};

use crate::{
    journey_shop::{problem, until},
    providers_scene::{Market, stripe_fee},
    support::TestDb,
};

const PRICE: i64 = 1_999;

on_both!(an_event_that_never_comes_is_made_up_for, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__PAYMENTS__RECONCILE_INTERVAL", "1s");
    let _server = market.serve_unheard().await;
    for provider in ["stripe", "paypal"] {
        let order = market.order(provider).await;
        let events = market.pay(provider, &market.session(&order).await).await;
        market.shop.until_order_is(&order, "fulfilled").await;
        assert!(!events.is_empty());
    }
    market.is_sound().await;
    assert_eq!(market.shop.number("SELECT COUNT(*) FROM webhook_inbox").await, 0);
    for provider in ["stripe", "paypal"] {
        let series = format!(r#"mintreu_orders_reconciled_total{{provider="{provider}"}}"#);
        assert!((market.metric(&series).await - 1.0).abs() < 0.1, "{series}");
    }
});

on_both!(an_order_paid_in_two_tabs_is_settled_once_and_the_other_payment_goes_back, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    let order = market.order("stripe").await;
    market.stripe.overlap_next();
    let (first, again) = tokio::join!(market.session(&order), market.session(&order));
    assert_eq!(first, again, "two tabs at once open one session");
    assert!(market.stripe.conflicts() > 0, "the second came while the first was being answered, and came again");
    assert_eq!(market.stripe.sessions().len(), 1);
    // Its transfer failed, so the buyer opens another one; then both arrive.
    market.stripe.promise(&first).await;
    market.stripe.fail_transfer(&first).await;
    market.until_quiet().await;
    let second = market.session(&order).await;
    assert_ne!(first, second);
    tokio::join!(market.stripe.arrive(&first), market.stripe.pay(&second));
    market.shop.until_order_is(&order, "fulfilled").await;
    market.until_operators_know(&order, "paid_twice").await;
    market.is_sound().await;
    assert_eq!(market.given_back("stripe"), [PRICE]);
    let view = market.shop.order(&order).await;
    assert_eq!((&view["status"], market.licenses(&order, "active").await), (&json!("fulfilled"), 1));
    let balances = market.balances().await;
    assert_eq!(balances.get("suspense"), None, "{balances}", balances = json!(balances));
    assert_eq!(balances["clearing:stripe"], PRICE - 2 * stripe_fee(PRICE));

    let attended = market.operate(&format!("/api/admin/orders/{order}/attended"), &json!({ "reason": "seen" })).await;
    assert_eq!(attended.status(), 204);
    assert_eq!(market.look("/api/admin/orders?attention=true").await["data"], json!([]));
});

on_both!(what_is_approved_for_a_paid_order_is_not_captured, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    let sale = market.sold("paypal").await;
    // Somebody approves what another tab opened: nothing is owed any more.
    let mut other = market.paypal.orders()[0].clone();
    other["id"] = json!("5O1ANOTHERTAB");
    let approved = json!({ "id": "WH-OTHER", "event_type": "CHECKOUT.ORDER.APPROVED", "resource": other });
    assert_eq!(market.paypal.deliver(&approved).await, Some(200));
    market.is_sound().await;
    assert_eq!(market.shop.outcomes().await.last().map(String::as_str), Some("no_change"));
    assert_eq!(market.paypal.captures().len(), 1);
    assert_eq!(market.shop.order(&sale.order).await["status"], "fulfilled");
});

on_both!(a_declined_payment_leaves_the_order_to_be_paid_another_way, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    let order = market.order("paypal").await;
    let declined = market.session(&order).await;
    market.paypal.decline_next();
    market.paypal.approve(&declined).await;
    market.is_sound().await;
    let view = market.shop.order(&order).await;
    assert_eq!((&view["status"], &view["payments"][0]["state"]), (&json!("awaiting_payment"), &json!("failed")));
    let again = market.session(&order).await;
    assert_ne!(again, declined);
    market.paypal.approve(&again).await;
    market.shop.until_order_is(&order, "fulfilled").await;

    let order = market.order("stripe").await;
    let session = market.session(&order).await;
    market.stripe.decline(&session).await;
    market.until_quiet().await;
    assert_eq!(market.session(&order).await, session, "Stripe's page lets them try another card");
    market.stripe.pay(&session).await;
    market.shop.until_order_is(&order, "fulfilled").await;
    market.is_sound().await;
});

on_both!(another_amount_or_currency_settles_nothing_and_operators_are_told, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve_unheard().await;
    for (field, value) in
        [("amount_total", json!(PRICE - 1)), ("amount_total", json!(PRICE + 1)), ("currency", json!("eur"))]
    {
        let order = market.order("stripe").await;
        let mut event = market.stripe.pay(&market.session(&order).await).await.swap_remove(0);
        event["data"]["object"][field] = value.clone();
        market.hear();
        assert_eq!(market.stripe.deliver(&event).await, Some(200));
        market.hear_nothing();
        market.until_operators_know(&order, "wrong_amount").await;
        let view = market.shop.order(&order).await;
        assert_eq!((&view["status"], &view["licenses"]), (&json!("awaiting_payment"), &json!([])), "{field} {value}");
        let seen = market.look(&format!("/api/admin/orders/{order}")).await;
        let note = seen["timeline"].as_array().expect("a list").iter().find(|it| it["event"] == "payment_not_applied");
        assert_eq!(note.expect("it is noted")["detail"]["reason"], "wrong_amount");
    }
    // What the operator does about it: the money goes back to where it came from.
    assert_eq!(market.balances().await["suspense"], -(2 * PRICE));
    let listed = market.look("/api/admin/orders?attention=true").await;
    let less = listed["data"].as_array().expect("a list").last().expect("the first")["id"].clone();
    market.hear();
    market.refund(less.as_str().expect("an identifier"), None).await;
    market.is_sound().await;
    assert_eq!(market.given_back("stripe"), [PRICE - 1]);
    assert_eq!(market.balances().await["suspense"], -(PRICE + 1));
});

/// Two orders with an open session each: one is called off, the other's time runs out.
async fn ended(market: &Market) -> Vec<(&'static str, String, String)> {
    let mut orders = Vec::new();
    for (provider, end) in
        [("stripe", "cancelled"), ("paypal", "cancelled"), ("stripe", "expired"), ("paypal", "expired")]
    {
        let order = market.order(provider).await;
        let session = market.session(&order).await;
        if end == "cancelled" {
            assert_eq!(market.shop.post(&format!("/api/orders/{order}/cancel"), &json!({})).await.status(), 204);
        } else {
            market.change("UPDATE orders SET expires_at = created_at WHERE payment_state = 'awaiting_payment'").await;
            problem(market.come_to_pay(&order).await, 409, "conflict").await;
            market.enqueue(&Reconcile {}).await;
        }
        market.shop.until_order_is(&order, end).await;
        orders.push((provider, order, session));
    }
    orders
}

on_both!(a_payment_of_an_ended_order_goes_back_where_the_shop_wants_that, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__SHOP__LATE_PAYMENT", "refund");
    let _server = market.serve().await;
    for (provider, order, session) in ended(&market).await {
        market.pay(provider, &session).await;
        if provider == "stripe" {
            market.until_operators_know(&order, "paid_too_late").await;
        }
        market.is_sound().await;
        let view = market.shop.order(&order).await;
        assert!(["cancelled", "expired"].contains(&view["status"].as_str().expect("a status")), "{view}");
        assert_eq!(view["licenses"], json!([]));
    }
    assert_eq!(market.given_back("stripe"), [PRICE; 2]);
    assert_eq!(market.paypal.captures(), Vec::<Value>::new(), "what is not owed is not even taken");
    assert_eq!(market.balances().await.get("suspense"), None);
});

on_both!(a_payment_of_an_ended_order_settles_it_where_the_shop_wants_that, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    for (provider, order, session) in ended(&market).await {
        market.pay(provider, &session).await;
        market.shop.until_order_is(&order, "fulfilled").await;
        assert_eq!(market.licenses(&order, "active").await, 1);
    }
    market.is_sound().await;
});

on_both!(a_payment_of_an_ended_order_is_found_though_nobody_tells_of_it, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__PAYMENTS__RECONCILE_INTERVAL", "1s");
    let _server = market.serve_unheard().await;
    let order = market.order("stripe").await;
    let session = market.session(&order).await;
    assert_eq!(market.shop.post(&format!("/api/orders/{order}/cancel"), &json!({})).await.status(), 204);
    market.stripe.pay(&session).await;
    market.shop.until_order_is(&order, "fulfilled").await;
    market.is_sound().await;
});

/// A part of the price goes back, then the rest; a part alone leaves `kept` licences usable under this rule.
async fn refund_in_parts(db: TestDb, rule: &str, kept: usize) {
    let market = Market::on(&db).await.with("MINTREU__SHOP__PARTIAL_REFUND", rule);
    let _server = market.serve().await;
    for provider in ["stripe", "paypal"] {
        let sale = market.sold(provider).await;
        market.refund(&sale.order, Some(500)).await;
        let view = market.shop.until_order_is(&sale.order, "partially_refunded").await;
        assert_eq!(view["refunded"], json!({ "amount": 500, "currency": "USD" }));
        market.until_quiet().await;
        assert_eq!(market.licenses(&sale.order, "active").await, kept, "{provider}");
        let too_much = json!({ "amount": PRICE - 499, "reason": "more than there is" });
        let refused = market.operate(&format!("/api/admin/orders/{}/refunds", sale.order), &too_much).await;
        assert_eq!(problem(refused, 422, "invalid-input").await["errors"][0]["pointer"], "#/amount");
        // The rest, at the provider itself.
        match provider {
            "stripe" => market.stripe.refund(&sale.charge, PRICE - 500).await,
            _ => market.paypal.refund(&sale.charge, "14.99").await,
        };
        market.shop.until_order_is(&sale.order, "refunded").await;
        market.is_sound().await;
        assert_eq!(market.licenses(&sale.order, "revoked").await, 1);
        assert_eq!(market.given_back(provider), [500, PRICE - 500], "{provider}");
    }
}

on_both!(a_partial_refund_keeps_the_license_until_all_is_gone, |db: TestDb| refund_in_parts(db, "keep", 1));

on_both!(a_partial_refund_takes_the_license_where_the_shop_wants_that, |db: TestDb| refund_in_parts(db, "revoke", 0));

on_both!(a_refund_that_comes_back_is_told_to_operators, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    let sale = market.sold("stripe").await;
    market.refund(&sale.order, None).await;
    market.shop.until_order_is(&sale.order, "refunded").await;
    market.is_sound().await;
    let mut refund = market.stripe.all("refund").swap_remove(0);
    refund["status"] = json!("failed");
    let told = json!({ "id": "evt_back", "object": "event", "type": "refund.failed", "data": { "object": refund } });
    assert_eq!(market.stripe.deliver(&told).await, Some(200));
    market.until_operators_know(&sale.order, "refund_came_back").await;
    market.is_sound().await;
    assert_eq!(market.balances().await["suspense"], -PRICE);
});

on_both!(a_dispute_that_is_won_changes_nothing_and_one_that_is_lost_takes_the_license, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    for provider in ["stripe", "paypal"] {
        let before = market.balances().await;
        for won in [true, false] {
            let sale = market.sold(provider).await;
            let dispute = match provider {
                "stripe" => market.stripe.dispute(&sale.charge).await.0,
                _ => market.paypal.dispute(&sale.charge).await.0,
            };
            market.shop.until_order_is(&sale.order, "disputed").await;
            market.until_operators_know(&sale.order, "disputed").await;
            assert_eq!(market.licenses(&sale.order, "active").await, 1, "nothing is decided yet");
            market.until_quiet().await;
            assert_eq!(market.balances().await[&format!("disputed:{provider}")], PRICE);
            match (provider, won) {
                ("stripe", _) => market.stripe.close_dispute(&dispute, won).await,
                (_, true) => market.paypal.resolve(&dispute, &sale.charge, "RESOLVED_SELLER_FAVOUR").await,
                (_, false) => market.paypal.resolve(&dispute, &sale.charge, "RESOLVED_BUYER_FAVOUR").await,
            };
            let status = if won { "fulfilled" } else { "disputed" };
            market.shop.until_order_is(&sale.order, status).await;
            market.is_sound().await;
            let view = market.shop.order(&sale.order).await;
            let expected = if won { ("won", "paid", "active") } else { ("lost", "refunded", "revoked") };
            assert_eq!((&view["dispute_state"], &view["payment_state"]), (&json!(expected.0), &json!(expected.1)));
            assert_eq!(market.licenses(&sale.order, expected.2).await, 1, "{provider}");
            assert_eq!(market.balances().await.get(&format!("disputed:{provider}")), None);
        }
        assert!(!before.contains_key(&format!("clearing:{provider}")));
    }
});

on_both!(while_a_provider_is_down_orders_wait_and_can_be_paid_once_it_is_back, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__PAYMENTS__BREAKER_REST", "2s");
    let _server = market.serve().await;
    let order = market.order("stripe").await;
    market.stripe.fail_next(1_000, 503);
    for attempt in 0..7 {
        let refused = market.come_to_pay(&order).await;
        assert!(refused.headers()["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds") >= 1);
        problem(refused, 503, "provider-unavailable").await;
        let open = market.metric(r#"mintreu_provider_breaker_open{provider="stripe"}"#).await;
        assert_eq!(open > 0.5, attempt >= 4, "attempt {attempt}");
    }
    until("it is left alone", async || {
        problem(market.come_to_pay(&order).await, 503, "provider-unavailable").await;
        let held = r#"mintreu_provider_calls_total{provider="stripe",operation="open",outcome="held_back"}"#;
        if market.metric(held).await > 0.5 { Ok(()) } else { Err("no call was held back") }
    })
    .await;
    assert_eq!(market.shop.order(&order).await["status"], "pending");

    let other = market.sold("paypal").await;
    assert_eq!(market.licenses(&other.order, "active").await, 1, "the other provider is none the worse");
    market.stripe.fail_next(0, 503);
    until("the provider is tried again", async || {
        let answer = market.come_to_pay(&order).await;
        if answer.status() == 303 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    assert!(market.metric(r#"mintreu_provider_breaker_open{provider="stripe"}"#).await < 0.5);
    market.stripe.pay(&market.session(&order).await).await;
    market.shop.until_order_is(&order, "fulfilled").await;
    market.is_sound().await;
});
