//! From the cart to the licence through Stripe and through PayPal: opened, paid, told, settled, fulfilled, each once.

use futures::future::join_all;
use mintreu::orders::FetchFees;
use serde_json::json;

use crate::{
    journey_shop::{PRODUCT, problem, until},
    providers_scene::{Market, deliver_at_once, stripe_fee},
    support::TestDb,
};

const PRICE: i64 = 1_999;
/// As the stand-in for PayPal reckons it.
const PAYPAL_FEE: i64 = 119;

on_both!(a_buyer_is_sent_to_the_provider_pays_and_has_one_license, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    for (provider, fee) in [("stripe", stripe_fee(PRICE)), ("paypal", PAYPAL_FEE)] {
        let before = market.balances().await;
        let order = market.order(provider).await;
        let session = market.session(&order).await;
        assert_eq!(market.shop.order(&order).await["status"], "awaiting_payment");
        assert_eq!(market.session(&order).await, session, "whoever comes again is sent to the same one");

        market.pay(provider, &session).await;
        let view = market.shop.until_order_is(&order, "fulfilled").await;
        assert_eq!(market.licenses(&order, "active").await, 1);
        let paid = &view["payments"][0];
        assert_eq!((&paid["state"], &paid["reference"]), (&json!("succeeded"), &json!(session)));
        problem(market.come_to_pay(&order).await, 409, "conflict").await;

        market.is_sound().await;
        let clearing = format!("clearing:{provider}");
        assert_eq!(market.balances().await[&clearing], PRICE - fee, "{provider}");
        assert!(!before.contains_key(&clearing));
        assert_eq!(market.shop.order(&order).await["payments"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!((market.stripe.sessions().len(), market.paypal.orders().len()), (1, 1));
    assert_eq!(market.paypal.captures().len(), 1);
    assert_eq!(market.outcomes("settled").await, 2 - market.outcomes("already_paid").await);
});

on_both!(a_fee_is_booked_when_it_is_told_later_and_when_it_is_asked_for, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve_unheard().await;
    let (told, asked) = (market.order("stripe").await, market.order("stripe").await);
    let events = market.stripe.pay(&market.session(&told).await).await;
    let others = market.stripe.pay(&market.session(&asked).await).await;
    market.hear();
    for paid in [&events[0], &others[0]] {
        assert_eq!(market.stripe.deliver(paid).await, Some(200));
    }
    for order in [&told, &asked] {
        market.shop.until_order_is(order, "fulfilled").await;
    }
    assert_eq!(market.balances().await["clearing:stripe"], 2 * PRICE);
    for event in &events[1..] {
        assert_eq!(market.stripe.deliver(event).await, Some(200));
    }
    until("the fee is booked", async || {
        let balances = market.balances().await;
        let with_fee = 2 * PRICE - stripe_fee(PRICE);
        if balances["clearing:stripe"] == with_fee { Ok(()) } else { Err(balances) }
    })
    .await;
    for _ in 0..2 {
        market.enqueue(&FetchFees {}).await;
        market.is_sound().await;
        let balances = market.balances().await;
        assert_eq!(balances["clearing:stripe"], 2 * (PRICE - stripe_fee(PRICE)));
    }
});

on_both!(the_buyers_return_and_the_event_settle_once_in_either_order, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve_unheard().await;
    for provider in ["stripe", "paypal"] {
        // First the browser.
        let order = market.order(provider).await;
        let session = market.session(&order).await;
        assert_eq!(market.come_back(&order).await, "awaiting_payment", "{provider}: came back without paying");
        market.until_quiet().await;
        assert_eq!(market.shop.order(&order).await["status"], "awaiting_payment");
        let events = market.pay(provider, &session).await;
        assert_eq!(market.come_back(&order).await, "awaiting_payment", "{provider}");
        market.shop.until_order_is(&order, "fulfilled").await;
        assert_eq!(market.come_back(&order).await, "fulfilled", "{provider}");
        // Then the event, which finds it done.
        market.hear();
        for event in &events {
            deliver(&market, provider, event).await;
        }
        market.is_sound().await;

        // First the event.
        let order = market.order(provider).await;
        let session = market.session(&order).await;
        market.pay(provider, &session).await;
        market.shop.until_order_is(&order, "fulfilled").await;
        assert_eq!(market.come_back(&order).await, "fulfilled", "{provider}");

        // Both at the same time, and the browser impatiently.
        let order = market.order(provider).await;
        let session = market.session(&order).await;
        let back = join_all((0..10).map(|_| market.come_back(&order)));
        let (_, told) = tokio::join!(market.pay(provider, &session), back);
        let known = ["awaiting_payment", "paid", "fulfilled"];
        assert!(told.iter().all(|status| known.contains(&status.as_str())), "{told:?}");
        market.shop.until_order_is(&order, "fulfilled").await;
        market.is_sound().await;
        assert_eq!(market.licenses(&order, "active").await, 1);
    }
    assert_eq!(market.paypal.captures().len(), 3, "each captured once");
    assert_eq!(market.shop.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'order.paid'").await, 6);
    assert_eq!(market.shop.number("SELECT COUNT(*) FROM payments").await, 6);
});

async fn deliver(market: &Market, provider: &str, event: &serde_json::Value) {
    let answer =
        if provider == "stripe" { market.stripe.deliver(event).await } else { market.paypal.deliver(event).await };
    assert_eq!(answer, Some(200), "{provider}");
}

on_both!(what_a_provider_did_and_never_answered_is_found_again_under_its_key, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__PAYMENTS__TIMEOUT", "500ms");
    let _server = market.serve().await;
    for provider in ["stripe", "paypal"] {
        let stall = || match provider {
            "stripe" => market.stripe.time_out_after_charging(1),
            _ => market.paypal.time_out_after_charging(1),
        };
        let order = market.order(provider).await;
        stall();
        let refused = market.come_to_pay(&order).await;
        assert!(refused.headers()["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds") >= 1);
        problem(refused, 503, "provider-unavailable").await;
        let session = market.session(&order).await;

        if provider == "paypal" {
            stall();
        }
        market.pay(provider, &session).await;
        market.shop.until_order_is(&order, "fulfilled").await;
        market.until_quiet().await;
        market.hear_nothing();
        stall();
        market.refund(&order, None).await;
        market.shop.until_order_is(&order, "refunded").await;
        market.hear();
        assert_eq!(market.stripe.deliver_pending().await + market.paypal.deliver_pending().await, 0);
        market.is_sound().await;
        assert_eq!(market.given_back(provider), [PRICE], "{provider}");
        assert_eq!(market.licenses(&order, "revoked").await, 1);
    }
    assert_eq!((market.stripe.sessions().len(), market.stripe.all("charge").len()), (1, 1));
    assert_eq!((market.paypal.orders().len(), market.paypal.captures().len()), (1, 1));
    let asked = market.stripe.asked();
    for path in ["/v1/checkout/sessions", "/v1/refunds"] {
        let keys: Vec<_> = asked.iter().filter(|it| it.method == "POST" && it.path == path).map(|it| &it.key).collect();
        assert!(keys.len() == 2 && keys[0].is_some() && keys[0] == keys[1], "{path}: {keys:?}");
    }
});

on_both!(events_in_any_order_and_many_at_once_have_one_effect, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve_unheard().await;
    let order = market.order("stripe").await;
    let session = market.session(&order).await;
    let mut events = market.stripe.pay(&session).await;
    let charge = market.charge("stripe", &session);
    events.extend(market.stripe.refund(&charge, 500).await);
    market.hear();

    // The last first: the refund waits for its payment.
    let refunds = events.iter().rev().take(3).cloned();
    deliver_at_once(&market.stripe, refunds).await;
    let waits = "SELECT COUNT(*) FROM webhook_inbox WHERE outcome = 'waiting_for_payment'";
    until("a refund waits", async || if market.shop.number(waits).await == 1 { Ok(()) } else { Err("it does not") })
        .await;
    assert_eq!(market.shop.order(&order).await["status"], "awaiting_payment");
    // And all of them thirty times at once.
    let storm: Vec<_> = (0..30).flat_map(|_| events.iter().rev().cloned()).collect();
    deliver_at_once(&market.stripe, storm).await;
    let view = market.shop.until_order_is(&order, "partially_refunded").await;
    market.is_sound().await;
    let (refunded, listed) = (json!({ "amount": 500, "currency": "USD" }), view["refunds"].as_array().map(Vec::len));
    assert_eq!((&view["refunded"], listed), (&refunded, Some(1)));
    assert_eq!(market.licenses(&order, "active").await, 1, "a part of the price takes nothing");
    assert_eq!(market.outcomes("settled").await, 1);
    assert_eq!(market.balances().await["clearing:stripe"], PRICE - 500 - stripe_fee(PRICE));

    // All of it went back before anybody heard of the payment: nothing is given.
    let order = market.order("stripe").await;
    let session = market.session(&order).await;
    market.hear_nothing();
    let paid = market.stripe.pay(&session).await;
    let back = market.stripe.refund(&market.charge("stripe", &session), PRICE).await;
    market.hear();
    deliver_at_once(&market.stripe, back).await;
    deliver_at_once(&market.stripe, paid).await;
    market.shop.until_order_is(&order, "refunded").await;
    market.is_sound().await;
    assert_eq!(market.shop.order(&order).await["licenses"], json!([]));
});

on_both!(three_of_a_kind_are_three_keys_and_one_refund_takes_what_it_paid_for, |db: TestDb| async move {
    let market = Market::on(&db).await;
    let _server = market.serve().await;
    let body = json!({ "items": [{ "product": PRODUCT, "quantity": 3 }], "provider": "stripe" });
    let order = market.order_with(&body).await;
    let session = market.session(&order).await;
    assert_eq!(market.stripe.object(&session)["amount_total"], 3 * PRICE);
    market.stripe.pay(&session).await;
    let view = market.shop.until_order_is(&order, "fulfilled").await;
    let mut keys: Vec<_> = view["licenses"].as_array().expect("a list").iter().map(|it| &it["license_key"]).collect();
    keys.sort_by_key(ToString::to_string);
    keys.dedup();
    assert_eq!(keys.len(), 3);

    let other = market.sold("paypal").await;
    market.refund(&order, None).await;
    market.shop.until_order_is(&order, "refunded").await;
    market.is_sound().await;
    assert_eq!((market.licenses(&order, "revoked").await, market.licenses(&other.order, "active").await), (3, 1));
});

on_both!(while_a_secret_rolls_events_of_both_are_taken_and_of_none_other, |db: TestDb| async move {
    let secrets = "whsec_the_new_one,whsec_the_old_one";
    let market = Market::on(&db).await.with("MINTREU__PAYMENTS__STRIPE__WEBHOOK_SECRET", secrets);
    let _server = market.serve_unheard().await;
    let url = market.shop.mintreu.url("/webhooks/stripe");
    let order = market.order("stripe").await;
    let events = market.stripe.pay(&market.session(&order).await).await;
    market.stripe.deliver_to(&*url, "whsec_a_third_one");
    let refused: Vec<_> = join_all(events.iter().map(|event| market.stripe.deliver(event))).await;
    assert!(refused.iter().all(|answer| *answer == Some(401)), "{refused:?}");
    assert_eq!(market.shop.number("SELECT COUNT(*) FROM webhook_inbox").await, 0);
    for secret in ["whsec_the_old_one", "whsec_the_new_one"] {
        market.stripe.deliver_to(&*url, secret);
        deliver_at_once(&market.stripe, events.iter().cloned()).await;
    }
    market.shop.until_order_is(&order, "fulfilled").await;
    market.is_sound().await;
    assert_eq!(market.outcomes("settled").await, 1);
});
