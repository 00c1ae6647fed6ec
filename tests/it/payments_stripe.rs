//! Stripe's client against a server that takes what Stripe takes.

use std::{sync::Arc, time::Duration};

use mintreu::{
    kernel::{Currency, ManualClock, Money, Secret, SystemClock, Time},
    payments::{
        BreakerOptions, BreakerState, Event, Guarded, Period, Provider, ProviderError, SessionState, SubscriptionEnd,
        stripe::{self, Stripe, StripeOptions},
    },
};
use serde_json::Value;

use crate::{
    payments_scene::{checkout, client, is_unavailable, refund, usd},
    support::{STRIPE_KEY, StripeServer},
};

fn stripe(server: &StripeServer, timeout: Duration) -> Stripe {
    with_key(server, timeout, STRIPE_KEY)
}

fn with_key(server: &StripeServer, timeout: Duration, key: &str) -> Stripe {
    let options = StripeOptions { api_base: server.base_url(), secret_key: Secret::new(key.to_owned()) };
    Stripe::new(client(timeout), options, Arc::new(SystemClock))
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

fn read(event: &Value) -> Event {
    stripe::read(event["type"].as_str().expect("a type"), &event.to_string()).expect("it can be read")
}

#[tokio::test]
async fn a_checkout_is_opened_paid_looked_up_and_refunded() {
    let server = StripeServer::start().await;
    let stripe = stripe(&server, LONG);
    let checkout = checkout(usd(1999));
    let session = stripe.open(&checkout).await.expect("opened");
    assert_eq!(session.expires_at, Some(Time::from_micros(checkout.expires_at.as_secs() * 1_000_000)));
    let made = server.object(&session.reference);
    assert_eq!((&made["amount_total"], &made["currency"]), (&1999.into(), &"usd".into()));
    assert_eq!(made["client_reference_id"], checkout.order.to_string());
    assert_eq!(stripe.look_up(&session.reference).await, Ok(SessionState::Open));

    let told = server.pay(&session.reference).await;
    let Event::Paid(event) = read(&told[0]) else { panic!("{told:?}") };
    let Ok(SessionState::Paid(paid)) = stripe.look_up(&session.reference).await else { panic!("not paid") };
    assert_eq!((paid.order, paid.amount, paid.currency, paid.fee), (checkout.order, 1999, Currency::USD, Some(87)));
    assert_eq!((&event.charge, &event.session), (&paid.charge, &paid.session));
    assert_eq!((event.fee, paid.subscription), (None, None));
    let charge = paid.charge.expect("a charge");
    assert!(charge.starts_with("pi_"), "{charge}");
    assert_eq!(stripe.fee(&charge).await, Ok(Some(usd(87))));
    assert!(told.iter().any(|event| read(event) == Event::FeeKnown { charge: charge.clone(), fee: usd(87) }));

    let half = refund(checkout.order, &charge, usd(1000), "refund:1");
    let first = stripe.refund(&half).await.expect("refunded");
    assert_eq!(stripe.refund(&half).await.as_ref(), Ok(&first), "the same key, the same refund");
    assert!(first.succeeded);
    assert_eq!(server.all("refund").len(), 1);
    let more = refund(checkout.order, &charge, usd(1000), "refund:2");
    assert!(matches!(stripe.refund(&more).await, Err(ProviderError::Refused(_))), "more than is left");
    let Some(Event::Refunded(news)) =
        server.events().iter().map(read).find(|event| matches!(event, Event::Refunded(_)))
    else {
        panic!("no refund was told")
    };
    assert_eq!((news.charge, news.order, news.refunds), (charge, Some(checkout.order), vec![(first.reference, 1000)]));
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_done_once() {
    let server = StripeServer::start().await;
    let stripe = stripe(&server, LONG);
    let mut checkout = checkout(usd(500));
    let first = stripe.open(&checkout).await.expect("opened");
    assert_eq!(stripe.open(&checkout).await.expect("opened"), first);
    server.fail_next(2, 500);
    assert_eq!(stripe.open(&checkout).await.expect("after two repetitions"), first);
    assert_eq!(server.sessions().len(), 1);
    assert_eq!(server.asked().len(), 5);
    checkout.total = usd(600);
    assert!(matches!(stripe.open(&checkout).await, Err(ProviderError::Refused(_))), "the key is taken");
    server.fail_next(3, 503);
    assert!(is_unavailable(&stripe.open(&checkout).await), "the third time is the last");
}

#[tokio::test]
async fn a_request_whose_key_is_in_progress_waits_for_its_answer() {
    let server = StripeServer::start().await;
    let stripe = stripe(&server, LONG);
    let checkout = checkout(usd(500));
    server.overlap_next();
    let (first, second) = tokio::join!(stripe.open(&checkout), stripe.open(&checkout));
    assert_eq!(first.expect("opened"), second.expect("opened by the other"));
    assert_eq!((server.sessions().len(), server.conflicts() > 0), (1, true));
}

#[tokio::test]
async fn what_times_out_was_done_and_the_same_key_finds_it() {
    let server = StripeServer::start().await;
    let stripe = stripe(&server, SHORT);
    let checkout = checkout(usd(500));
    server.time_out_after_charging(1);
    assert!(is_unavailable(&stripe.open(&checkout).await));
    assert_eq!(server.asked().len(), 1, "nobody knows whether it was done, so it is not quickly sent again");
    let session = stripe.open(&checkout).await.expect("opened");
    assert_eq!(server.sessions().len(), 1);
    server.pay(&session.reference).await;
    let Ok(SessionState::Paid(paid)) = stripe.look_up(&session.reference).await else { panic!("not paid") };
    let all = refund(checkout.order, &paid.charge.expect("a charge"), usd(500), "r");
    server.time_out_after_charging(1);
    assert!(is_unavailable(&stripe.refund(&all).await));
    assert!(stripe.refund(&all).await.expect("refunded").succeeded);
    assert_eq!(server.all("refund").len(), 1);
}

#[tokio::test]
async fn each_kind_of_refusal_is_told_apart() {
    let server = StripeServer::start().await;
    let account = stripe(&server, LONG);
    assert_eq!(account.look_up("cs_unknown").await, Ok(SessionState::Ended));
    assert_eq!(account.fee("pi_unknown").await, Err(ProviderError::NotFound));
    assert_eq!(account.fee("../../v1/balance").await, Err(ProviderError::NotFound), "not even asked for");
    let order = checkout(usd(1)).order;
    assert_eq!(account.refund(&refund(order, "ch_x", usd(1), "k")).await, Err(ProviderError::NotFound));
    assert!(is_unavailable(&with_key(&server, LONG, "sk_wrong").open(&checkout(usd(1))).await));
    for status in [409, 429] {
        server.fail_next(3, status);
        assert!(is_unavailable(&account.open(&checkout(usd(1))).await), "{status}");
    }
    server.fail_next(1, 402);
    assert!(matches!(account.open(&checkout(usd(1))).await, Err(ProviderError::Refused(_))));
    let fils = Money::new(5_124, Currency::KWD);
    assert!(matches!(account.open(&checkout(fils)).await, Err(ProviderError::Refused(_))), "not in tens");
    let nobody = StripeOptions { api_base: "http://127.0.0.1:9".to_owned(), secret_key: Secret::new("x".to_owned()) };
    let nobody = Stripe::new(client(LONG), nobody, Arc::new(SystemClock));
    let error = nobody.open(&checkout(usd(1))).await;
    assert!(is_unavailable(&error), "{error:?}");
}

#[tokio::test]
async fn a_subscription_begins_renews_fails_and_ends() {
    let server = StripeServer::start().await;
    let stripe = stripe(&server, LONG);
    let mut checkout = checkout(usd(900));
    checkout.recurring = Some(Period::Month);
    let session = stripe.open(&checkout).await.expect("opened");
    let told = server.pay(&session.reference).await;
    let Event::Paid(event) = read(&told[0]) else { panic!("{told:?}") };
    let subscription = event.subscription.expect("a subscription");
    assert_eq!(event.charge, None, "Stripe tells the invoice alone");
    assert!(
        told.iter().map(read).all(|event| !matches!(event, Event::Renewed(_))),
        "the first period is the checkout's"
    );
    let Ok(SessionState::Paid(paid)) = stripe.look_up(&session.reference).await else { panic!("not paid") };
    assert!(paid.charge.expect("found through the invoice").starts_with("pi_"));
    assert_eq!(paid.fee, Some(56));

    let Event::Renewed(renewed) = read(&server.renew(&subscription).await[0]) else { panic!("not renewed") };
    assert_eq!((renewed.amount, &renewed.subscription), (900, &subscription));
    assert!(renewed.charge.expect("a charge").starts_with("pi_"));
    assert!(
        renewed.period_end > crate::payments_scene::now() + Duration::from_hours(24 * 59),
        "of the line, not of what is counted"
    );

    let failed = server.fail_renewal(&subscription).await;
    let Event::RenewalFailed { invoice, .. } = read(&failed[0]) else { panic!("{failed:?}") };
    stripe.retry_invoice(&invoice).await.expect("paid");
    assert!(matches!(stripe.retry_invoice(&invoice).await, Err(ProviderError::Refused(_))), "not twice");

    stripe.cancel_subscription(&subscription, SubscriptionEnd::PeriodEnd).await.expect("told");
    assert_eq!(server.object(&subscription)["cancel_at_period_end"], true);
    stripe.cancel_subscription(&subscription, SubscriptionEnd::Now).await.expect("told");
    assert_eq!(server.object(&subscription)["status"], "canceled");
    assert_eq!(stripe.cancel_subscription("sub_unknown", SubscriptionEnd::Now).await, Err(ProviderError::NotFound));
}

#[tokio::test]
async fn disputes_and_failures_are_told() {
    let server = StripeServer::start().await;
    let stripe = stripe(&server, LONG);
    let checkout = checkout(usd(700));
    let session = stripe.open(&checkout).await.expect("opened").reference;
    let Event::PaymentFailed { order, reason, .. } = read(&server.decline(&session).await[0]) else {
        panic!("no failure")
    };
    assert_eq!((order, reason.as_str()), (checkout.order, "Your card was declined."));
    assert_eq!(read(&server.promise(&session).await[0]), Event::Ignored("unpaid"));
    assert_eq!(stripe.look_up(&session).await, Ok(SessionState::Open));
    let Event::Paid(paid) = read(&server.arrive(&session).await[0]) else { panic!("not paid") };
    let (dispute, told) = server.dispute(&paid.charge.clone().expect("a charge")).await;
    let Event::DisputeOpened(news) = read(&told[0]) else { panic!("{told:?}") };
    assert_eq!((news.reference, Some(news.charge), news.amount), (dispute.clone(), paid.charge, 700));
    let Event::DisputeClosed { won, .. } = read(&server.close_dispute(&dispute, false).await[0]) else {
        panic!("open")
    };
    assert!(!won);
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone_and_tried_again() {
    let server = StripeServer::start().await;
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let guarded = Guarded::with(stripe(&server, LONG), BreakerOptions::default(), clock.clone());
    server.fail_next(15, 500);
    for _ in 0..5 {
        assert!(is_unavailable(&guarded.look_up("cs_1").await));
    }
    assert_eq!((guarded.state(), server.asked().len()), (BreakerState::Open, 15));
    assert!(is_unavailable(&guarded.look_up("cs_1").await));
    assert_eq!(server.asked().len(), 15, "it was not asked");
    clock.advance(Duration::from_secs(30));
    assert_eq!(guarded.look_up("cs_1").await, Ok(SessionState::Ended));
    assert_eq!(guarded.state(), BreakerState::Closed);
    for _ in 0..9 {
        assert_eq!(guarded.fee("pi_1").await, Err(ProviderError::NotFound));
    }
    assert_eq!(guarded.state(), BreakerState::Closed, "an answer that we do not like is an answer");
}
