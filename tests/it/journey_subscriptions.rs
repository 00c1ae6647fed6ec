//! A subscription with Stripe: begun, renewed, unpaid and paid again, called off, refunded from its first payment on.

use mintreu::orders::Reconcile;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{journey_shop::until, providers_scene::Market, support::TestDb};

const PRICE: i64 = 1_999;

/// Somebody who subscribed.
struct Subscribed {
    market: Market,
    _server: crate::support::Running,
    order: String,
    session: String,
    /// Our name, and Stripe's.
    ours: String,
    theirs: String,
}

impl Subscribed {
    async fn on(db: &TestDb) -> Self {
        Self::to(Market::on(db).await).await
    }

    async fn to(market: Market) -> Self {
        let server = market.serve().await;
        market.sell_monthly("cloud").await;
        let body = json!({ "items": [{ "product": "cloud" }], "provider": "stripe" });
        let order = market.order_with(&body).await;
        let session = market.session(&order).await;
        assert_eq!(market.stripe.object(&session)["mode"], "subscription");
        market.stripe.pay(&session).await;
        market.shop.until_order_is(&order, "fulfilled").await;
        let listed: Value = market.shop.get("/api/subscriptions").await.json().await.expect("JSON");
        let ours = listed["data"][0]["id"].as_str().expect("an identifier").to_owned();
        let theirs = market.stripe.object(&session)["subscription"].as_str().expect("a name").to_owned();
        Self { market, _server: server, order, session, ours, theirs }
    }

    async fn view(&self) -> Value {
        self.market.shop.get(&format!("/api/subscriptions/{}", self.ours)).await.json().await.expect("JSON")
    }

    async fn until_status_is(&self, status: &str) -> Value {
        until(&format!("the subscription is {status}"), async || {
            let view = self.view().await;
            if view["status"] == status { Ok(view) } else { Err(view) }
        })
        .await
    }

    async fn license_end(&self) -> String {
        let view = self.market.shop.order(&self.order).await;
        view["licenses"][0]["expires_at"].as_str().expect("it ends").to_owned()
    }

    async fn until_license_lasts_longer_than(&self, end: &str) -> String {
        until(&format!("the licence lasts longer than {end}"), async || {
            let now = self.license_end().await;
            if *now > *end { Ok(now) } else { Err(now) }
        })
        .await
    }

    /// The payment intent of the first period, which no event names.
    fn first_charge(&self) -> String {
        let invoice = self.market.stripe.object(&self.session)["invoice"].as_str().expect("a name").to_owned();
        self.market.stripe.object(&invoice)["payment_intent"].as_str().expect("a name").to_owned()
    }
}

on_both!(a_renewal_prolongs_the_license_once_and_a_call_off_ends_it_with_its_period, |db: TestDb| async move {
    let scene = Subscribed::on(&db).await;
    let stripe = &scene.market.stripe;
    let first = scene.license_end().await;
    let renewed = stripe.renew(&scene.theirs).await;
    let second = scene.until_license_lasts_longer_than(&first).await;
    for event in renewed.iter().rev() {
        assert_eq!(stripe.deliver(event).await, Some(200));
    }
    scene.market.is_sound().await;
    assert_eq!(scene.license_end().await, second);
    let payments = scene.market.shop.order(&scene.order).await["payments"].clone();
    assert_eq!(payments.as_array().map(Vec::len), Some(2), "{payments}");

    let path = format!("/api/subscriptions/{}/cancel", scene.ours);
    assert_eq!(scene.market.shop.post(&path, &json!({ "at": "period_end" })).await.status(), 200);
    until("Stripe knows", async || {
        let theirs = stripe.object(&scene.theirs);
        if theirs["cancel_at_period_end"] == true { Ok(()) } else { Err(theirs) }
    })
    .await;
    scene.market.until_quiet().await;
    let view = scene.view().await;
    assert_eq!((&view["status"], &view["cancel_at_period_end"]), (&json!("active"), &json!(true)));
    assert_eq!(scene.market.licenses(&scene.order, "active").await, 1, "what is paid stays");
    // The period ends, and Stripe ends the subscription with it.
    let ended = json!({ "id": "evt_ended", "type": "customer.subscription.deleted",
                        "data": { "object": stripe.object(&scene.theirs) } });
    assert_eq!(stripe.deliver(&ended).await, Some(200));
    scene.until_status_is("cancelled").await;
    scene.market.is_sound().await;
    assert_eq!(scene.market.licenses(&scene.order, "active").await, 0);
});

on_both!(a_renewal_that_fails_is_tried_again_with_letters_and_then_given_up, |db: TestDb| async move {
    let scene = Subscribed::on(&db).await;
    let (market, buyer) = (&scene.market, scene.market.shop.buyer().await.email.clone());
    let dun = async || {
        market.change("UPDATE subscriptions SET dunning_at = created_at WHERE dunning_at IS NOT NULL").await;
        market.enqueue(&Reconcile {}).await;
    };
    let letters = async |at_least: usize| {
        until("the buyer has letters", async || {
            let about =
                market.letters_to(&buyer).into_iter().filter(|letter| letter.contains("could not charge")).count();
            if about >= at_least { Ok(()) } else { Err(about) }
        })
        .await;
    };
    market.stripe.fail_renewal(&scene.theirs).await;
    scene.until_status_is("past_due").await;
    assert_eq!(market.licenses(&scene.order, "active").await, 1, "it is usable meanwhile");
    letters(1).await;
    let before = scene.license_end().await;
    dun().await;
    scene.until_status_is("active").await;
    scene.until_license_lasts_longer_than(&before).await;
    market.is_sound().await;

    // The next one fails for good.
    market.stripe.fail_renewal(&scene.theirs).await;
    scene.until_status_is("past_due").await;
    market.stripe.decline_invoices();
    for step in 2..=5_i64 {
        dun().await;
        until("the step is taken", async || {
            let taken = market.shop.number("SELECT CAST(dunning_step AS BIGINT) FROM subscriptions").await;
            if taken >= step { Ok(()) } else { Err(taken) }
        })
        .await;
        market.until_quiet().await;
    }
    scene.until_status_is("expired").await;
    market.is_sound().await;
    assert_eq!(market.licenses(&scene.order, "active").await, 0);
    assert_eq!(market.stripe.object(&scene.theirs)["status"], "canceled", "Stripe stops too");
    letters(5).await;
});

on_both!(the_first_payment_of_a_subscription_can_be_refunded_by_us, |db: TestDb| async move {
    let scene = Subscribed::on(&db).await;
    scene.market.refund(&scene.order, None).await;
    scene.market.shop.until_order_is(&scene.order, "refunded").await;
    scene.until_status_is("cancelled").await;
    scene.market.is_sound().await;
    assert_eq!(scene.market.given_back("stripe"), [PRICE]);
    assert_eq!(scene.market.licenses(&scene.order, "active").await, 0);
    assert_eq!(scene.market.stripe.object(&scene.theirs)["status"], "canceled", "nothing more is charged");
});

on_both!(the_first_payment_of_a_subscription_can_be_refunded_and_disputed_at_stripe, |db: TestDb| async move {
    let scene = Subscribed::on(&db).await;
    let (market, charge) = (&scene.market, scene.first_charge());
    market.stripe.refund(&charge, 500).await;
    market.shop.until_order_is(&scene.order, "partially_refunded").await;
    assert_eq!(scene.view().await["status"], "active");
    let (dispute, _) = market.stripe.dispute(&charge).await;
    market.shop.until_order_is(&scene.order, "disputed").await;
    market.stripe.close_dispute(&dispute, true).await;
    market.shop.until_order_is(&scene.order, "partially_refunded").await;
    market.stripe.refund(&charge, PRICE - 500).await;
    market.shop.until_order_is(&scene.order, "refunded").await;
    scene.until_status_is("cancelled").await;
    market.is_sound().await;
});

on_both!(a_renewal_whose_event_names_no_charge_can_be_refunded, |db: TestDb| async move {
    let scene = Subscribed::on(&db).await;
    let (market, end) = (&scene.market, scene.license_end().await);
    market.hear_nothing();
    let mut events = market.stripe.renew(&scene.theirs).await;
    // As in versions of the API since 2025.
    events[0]["data"]["object"].as_object_mut().expect("an invoice").remove("payment_intent");
    market.hear();
    for event in &events {
        assert_eq!(market.stripe.deliver(event).await, Some(200));
    }
    scene.until_license_lasts_longer_than(&end).await;
    let payments = market.shop.order(&scene.order).await["payments"].clone();
    let renewal = payments.as_array().expect("a list").iter().find(|it| it["subscription"] == *scene.ours);
    let body = json!({ "payment": renewal.expect("a renewal")["id"], "reason": "called off in time" });
    let path = format!("/api/admin/orders/{}/refunds", scene.order);
    assert_eq!(market.operate(&path, &body).await.status(), StatusCode::ACCEPTED);
    scene.until_status_is("cancelled").await;
    market.is_sound().await;
    assert_eq!(market.given_back("stripe"), [PRICE]);
    assert_eq!(market.shop.order(&scene.order).await["payment_state"], "paid", "the first period was used");
});
