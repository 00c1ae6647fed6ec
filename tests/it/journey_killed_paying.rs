//! `kill -9` while money is on its way from the provider's event to the licence: what was acknowledged is done once.

use std::hash::{BuildHasher, Hasher, RandomState};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{journey_shop::until, providers_scene::Market, support::TestDb};

const AT_ONCE: usize = 6;
const EACH: usize = 4;
const KILLS: u64 = 4;

async fn flip(market: &Market, switch: &str, killed: bool) {
    let verb = if killed { "kill" } else { "restore" };
    market.shop.run(&["flags", verb, switch, "--reason", "a test"]);
    let series = format!(r#"mintreu_flags_switch_killed{{switch="{switch}"}}"#);
    until(&format!("{switch}: {verb} is seen"), async || {
        let value = market.metric(&series).await;
        if (value > 0.5) == killed { Ok(()) } else { Err(value) }
    })
    .await;
}

// A kill switch holds the work where the server is to be killed: behind it, nothing has happened yet.
on_both!(killed_between_any_two_steps_it_goes_on_from_there, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__JOBS__LEASE", "2s");
    let mut server = market.serve().await;
    // Between the webhook's 200 and the settlement, then between the settlement and what it gives.
    for (switch, reached) in [("payments", "awaiting_payment"), ("licensing", "paid")] {
        let mut orders = Vec::new();
        for provider in ["stripe", "paypal"] {
            let order = market.order(provider).await;
            let session = market.session(&order).await;
            orders.push((provider, order, session));
        }
        flip(&market, switch, true).await;
        for (provider, _, session) in &orders {
            market.pay(provider, session).await;
        }
        for (_, order, _) in &orders {
            market.shop.until_order_is(order, reached).await;
        }
        assert_eq!(
            market.stripe.deliver_pending().await + market.paypal.deliver_pending().await,
            0,
            "all answered 200"
        );
        server.kill_9();
        server = market.serve().await;
        for (_, order, _) in &orders {
            assert_eq!(market.shop.order(order).await["status"], reached);
        }
        flip(&market, switch, false).await;
        for (_, order, _) in &orders {
            market.shop.until_order_is(order, "fulfilled").await;
        }
        market.is_sound().await;
    }
    assert_eq!(market.paypal.captures().len(), 2);
    assert_eq!(market.shop.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'order.paid'").await, 4);
});

/// Asks until the server, which may be dead, answers well.
async fn insist(what: &str, request: impl Fn() -> reqwest::RequestBuilder) -> Value {
    until(what, async || {
        let answer = request().send().await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(answer.status().to_string());
        }
        answer.json().await.map_err(|error| error.to_string())
    })
    .await
}

async fn buy(market: &Market, number: usize) -> Vec<String> {
    let (shop, mut orders) = (&market.shop, Vec::new());
    let provider = if number.is_multiple_of(2) { "stripe" } else { "paypal" };
    for turn in 0..EACH {
        let body =
            json!({ "items": [{ "product": crate::journey_shop::PRODUCT, "quantity": 2 }], "provider": provider });
        let cookie = &shop.buyer().await.cookie;
        let opened = insist("an order is opened", || {
            let request = shop.client.post(shop.mintreu.url("/api/orders")).header("cookie", cookie).json(&body);
            request.header("idempotency-key", format!("{number}-{turn}"))
        });
        let order = opened.await["id"].as_str().expect("an identifier").to_owned();
        let pay = shop.mintreu.url(&format!("/pay/{order}"));
        let session =
            insist("a session is opened", || shop.client.get(&pay).header("accept", "application/json")).await;
        let session =
            session["url"].as_str().expect("an address").rsplit(['/', '=']).next().expect("a part").to_owned();
        market.pay(provider, &session).await;
        orders.push(order);
    }
    orders
}

on_both!(killed_while_many_are_paid_every_one_has_its_licenses_once, |db: TestDb| async move {
    let market = Market::on(&db).await.with("MINTREU__JOBS__LEASE", "2s");
    let mut server = market.serve().await;
    let buying = join_all((0..AT_ONCE).map(|number| buy(&market, number)));
    let killing = async {
        for kill in 1..=KILLS {
            let moment = AT_ONCE as u64 * EACH as u64 * kill / (KILLS + 1);
            until("enough is paid", async || {
                let paid = market.stripe.all("charge").len() + market.paypal.captures().len();
                if paid as u64 >= moment { Ok(()) } else { Err(paid) }
            })
            .await;
            tokio::time::sleep(std::time::Duration::from_micros(RandomState::new().build_hasher().finish() % 30_000))
                .await;
            server.kill_9();
            server = market.serve().await;
            // Providers send again what was not answered.
            market.stripe.deliver_pending().await;
            market.paypal.deliver_pending().await;
        }
    };
    let (orders, ()) = tokio::join!(buying, killing);
    until("every event is taken", async || {
        let left = market.stripe.deliver_pending().await + market.paypal.deliver_pending().await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    let orders: Vec<String> = orders.into_iter().flatten().collect();
    for order in &orders {
        market.shop.until_order_is(order, "fulfilled").await;
        assert_eq!(market.licenses(order, "active").await, 2);
    }
    market.is_sound().await;
    let (all, paid) = (AT_ONCE * EACH, "SELECT COUNT(*) FROM audit_entries WHERE action = 'order.paid'");
    assert_eq!(orders.len(), all);
    assert_eq!(market.stripe.all("charge").len() + market.paypal.captures().len(), all, "nobody is charged twice");
    assert_eq!(market.shop.number(paid).await, i64::try_from(all).expect("a few"));
    assert_eq!(market.stripe.all("refund").len() + market.paypal.refunds().len(), 0);
});
