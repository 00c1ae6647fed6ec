//! PayPal's client and the verification of its webhooks, against a server that takes what PayPal takes.

use std::{sync::Arc, time::Duration};

use mintreu::{
    kernel::{Currency, Money, Secret, SystemClock, Time},
    payments::{
        Event, Period, Provider, ProviderError, SessionState, SubscriptionEnd,
        paypal::{
            self, CertificateError, CertificateOptions, Paypal, PaypalOptions, Transmission, Verifier, VerifyError,
        },
    },
};
use serde_json::Value;

use crate::{
    payments_scene::{checkout, client, is_unavailable, now, refund, usd},
    support::{Forged, PAYPAL_CLIENT, PAYPAL_WEBHOOK, PaypalServer},
};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

fn paypal(server: &PaypalServer, timeout: Duration) -> Paypal {
    let options = PaypalOptions {
        api_base: server.base_url(),
        client_id: PAYPAL_CLIENT.0.to_owned(),
        client_secret: Secret::new(PAYPAL_CLIENT.1.to_owned()),
        shop_name: "Ink".to_owned(),
    };
    Paypal::new(client(timeout), options, Arc::new(SystemClock))
}

fn read(event: &Value) -> Event {
    paypal::read(event["event_type"].as_str().expect("a type"), &event.to_string()).expect("it can be read")
}

fn tokens(server: &PaypalServer) -> usize {
    server.asked().iter().filter(|asked| asked.path == "/v1/oauth2/token").count()
}

#[tokio::test]
async fn an_order_is_opened_approved_captured_once_and_refunded() {
    let server = PaypalServer::start().await;
    let paypal = paypal(&server, LONG);
    let checkout = checkout(usd(1999));
    let session = paypal.open(&checkout).await.expect("opened");
    assert_eq!(paypal.open(&checkout).await.as_ref(), Ok(&session), "the same key, the same order");
    assert!(session.url.contains("/checkoutnow?token="), "{}", session.url);
    let id = session.reference.as_str();
    assert_eq!(server.orders()[0]["purchase_units"][0]["amount"]["value"], "19.99");
    assert_eq!(paypal.look_up(id).await, Ok(SessionState::Open));
    assert_eq!(paypal.capture(id).await, Ok(SessionState::Open), "nobody approved");
    let approved = server.approve(id).await;
    assert_eq!(read(&approved[0]), Event::Approved { order: checkout.order, session: id.to_owned() });
    assert_eq!(paypal.look_up(id).await, Ok(SessionState::Approved));

    let Ok(SessionState::Paid(paid)) = paypal.capture(id).await else { panic!("not captured") };
    assert_eq!((paid.order, paid.amount, paid.currency, paid.fee), (checkout.order, 1999, Currency::USD, Some(119)));
    assert_eq!(paypal.capture(id).await, Ok(SessionState::Paid(paid.clone())), "captured already");
    assert_eq!(paypal.look_up(id).await, Ok(SessionState::Paid(paid.clone())));
    assert_eq!(server.captures().len(), 1);
    let charge = paid.charge.clone().expect("a capture");
    assert_eq!(paypal.fee(&charge).await, Ok(Some(usd(119))));
    crate::support::eventually("the capture is told", async || server.events().len() == 2).await;
    assert_eq!(read(&server.events()[1]), Event::Paid(paid));

    let half = refund(checkout.order, &charge, usd(999), "refund:1");
    let first = paypal.refund(&half).await.expect("refunded");
    assert_eq!(paypal.refund(&half).await.as_ref(), Ok(&first));
    assert_eq!(server.refunds().len(), 1);
    let more = refund(checkout.order, &charge, usd(1999), "refund:2");
    assert_eq!(paypal.refund(&more).await, Err(ProviderError::Refused("REFUND_AMOUNT_EXCEEDED".to_owned())));
    let told = server.refund(&charge, "10.00").await;
    let Event::Refunded(news) = read(&told[0]) else { panic!("{told:?}") };
    assert_eq!((news.charge, news.order, news.total), (charge, Some(checkout.order), Some(1999)));
    assert_eq!(news.refunds[0].1, 1000);
    assert_eq!(tokens(&server), 1, "a token is used until it ends");
}

#[tokio::test]
async fn what_times_out_was_done_and_the_same_key_finds_it() {
    let server = PaypalServer::start().await;
    let paypal = paypal(&server, SHORT);
    let checkout = checkout(usd(500));
    server.time_out_after_charging(1);
    assert!(is_unavailable(&paypal.open(&checkout).await));
    let session = paypal.open(&checkout).await.expect("opened");
    server.approve(&session.reference).await;
    server.time_out_after_charging(1);
    assert!(is_unavailable(&paypal.capture(&session.reference).await));
    let Ok(SessionState::Paid(_)) = paypal.capture(&session.reference).await else { panic!("not captured") };
    assert_eq!((server.orders().len(), server.captures().len()), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_withdrawn_is_replaced_and_a_wrong_secret_is_an_outage() {
    let server = PaypalServer::start().await;
    let account = paypal(&server, LONG);
    account.open(&checkout(usd(1))).await.expect("opened");
    server.revoke_tokens();
    account.open(&checkout(usd(1))).await.expect("with a new token");
    assert_eq!(tokens(&server), 2);
    let options = PaypalOptions {
        api_base: server.base_url(),
        client_id: "somebody".to_owned(),
        client_secret: Secret::new("wrong".to_owned()),
        shop_name: "Ink".to_owned(),
    };
    let wrong = Paypal::new(client(LONG), options, Arc::new(SystemClock));
    assert!(is_unavailable(&wrong.open(&checkout(usd(1))).await));
}

#[tokio::test]
async fn what_paypal_cannot_do_is_refused() {
    let server = PaypalServer::start().await;
    let paypal = paypal(&server, LONG);
    let mut recurring = checkout(usd(1));
    recurring.recurring = Some(Period::Month);
    assert_eq!(paypal.open(&recurring).await, Err(ProviderError::Unsupported));
    assert_eq!(paypal.cancel_subscription("I-1", SubscriptionEnd::Now).await, Err(ProviderError::Unsupported));
    assert!(!paypal.subscribes() && paypal.accepts(Currency::EUR) && !paypal.accepts(Currency::KWD));
    let forints = Money::new(1_050, "HUF".parse().expect("a currency"));
    assert!(matches!(paypal.open(&checkout(forints)).await, Err(ProviderError::Refused(_))), "no fractions");
    assert_eq!(paypal.look_up("UNKNOWN").await, Ok(SessionState::Ended));
    assert_eq!(paypal.fee("a/../b").await, Err(ProviderError::NotFound));
    for status in [409, 429, 503] {
        server.fail_next(3, status);
        assert!(is_unavailable(&paypal.look_up("UNKNOWN").await), "{status}: the third time is the last");
    }
}

#[tokio::test]
async fn disputes_and_denials_are_told() {
    let server = PaypalServer::start().await;
    let paypal = paypal(&server, LONG);
    let checkout = checkout(usd(700));
    let id = paypal.open(&checkout).await.expect("opened").reference;
    let Event::PaymentFailed { order, session, .. } = read(&server.deny(&id).await[0]) else { panic!("not denied") };
    assert_eq!((order, session), (checkout.order, Some(id.clone())));
    server.approve(&id).await;
    let Ok(SessionState::Paid(paid)) = paypal.capture(&id).await else { panic!("not captured") };
    let capture = paid.charge.expect("a capture");
    let (dispute, told) = server.dispute(&capture).await;
    let Event::DisputeOpened(news) = read(&told[0]) else { panic!("{told:?}") };
    assert_eq!((news.order, news.charge, news.amount), (Some(checkout.order), capture.clone(), 700));
    for (outcome, is_won) in [
        ("RESOLVED_SELLER_FAVOUR", true),
        ("RESOLVED_WITH_PAYOUT", true),
        ("CANCELED_BY_BUYER", true),
        ("RESOLVED_BUYER_FAVOUR", false),
    ] {
        let told = server.resolve(&dispute, &capture, outcome).await;
        let Event::DisputeClosed { won, .. } = read(&told[0]) else { panic!("{told:?}") };
        assert_eq!(won, is_won, "{outcome}");
    }
}

fn verifier(server: &PaypalServer) -> Verifier {
    let options = CertificateOptions { api_base: server.base_url(), roots: Some(server.roots()) };
    Verifier::new(client(LONG), PAYPAL_WEBHOOK.to_owned(), &options).expect("a verifier")
}

/// The headers by name.
fn transmission<'a>(headers: &'a [(&'static str, String)]) -> Transmission<'a> {
    let get = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    Transmission {
        id: get("paypal-transmission-id"),
        time: get("paypal-transmission-time"),
        signature: get("paypal-transmission-sig"),
        certificate: get("paypal-cert-url"),
        algorithm: get("paypal-auth-algo"),
    }
}

const BODY: &[u8] = br#"{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}"#;

#[tokio::test]
async fn a_signed_webhook_is_verified_and_its_certificate_fetched_once() {
    let server = PaypalServer::start().await;
    let verifier = verifier(&server);
    let url = server.certificate(Forged::No, "CERT-2");
    for _ in 0..3 {
        let headers = server.sign(BODY, now(), &url);
        assert_eq!(verifier.verify(&transmission(&headers), BODY, now()).await, Ok(()));
    }
    let fetched = server.asked().iter().filter(|asked| asked.path.contains("/certs/")).count();
    assert_eq!(fetched, 1);
    let headers = server.sign(BODY, now(), &url);
    assert_eq!(verifier.verify(&transmission(&headers), b"{}", now()).await, Err(VerifyError::Signature));
    let other = server.sign(BODY, now(), &url);
    let mut mixed = transmission(&headers);
    mixed.id = transmission(&other).id;
    assert_eq!(verifier.verify(&mixed, BODY, now()).await, Err(VerifyError::Signature), "of another transmission");
    let options = CertificateOptions { api_base: server.base_url(), roots: Some(server.roots()) };
    let elsewhere = Verifier::new(client(LONG), "ANOTHERWEBHOOK".to_owned(), &options).expect("a verifier");
    assert_eq!(elsewhere.verify(&transmission(&headers), BODY, now()).await, Err(VerifyError::Signature));
}

#[tokio::test]
async fn a_resent_webhook_of_three_days_ago_is_good_and_older_or_future_ones_are_not() {
    let server = PaypalServer::start().await;
    let verifier = verifier(&server);
    let url = server.certificate(Forged::No, "CERT-2");
    let at = |minutes: i64| Time::from_micros(now().as_micros() + minutes * 60_000_000);
    for (minutes, is_good) in [(-3 * 1_440, true), (-5 * 1_440, false), (4, true), (6, false)] {
        let headers = server.sign(BODY, at(minutes), &url);
        let outcome = verifier.verify(&transmission(&headers), BODY, now()).await;
        assert_eq!(outcome, if is_good { Ok(()) } else { Err(VerifyError::Stale) }, "{minutes}");
    }
}

#[tokio::test]
async fn no_other_certificate_will_do() {
    let server = PaypalServer::start().await;
    let verifier = verifier(&server);
    for (number, forged) in [
        Forged::Name("evil.example"),
        Forged::Name("messageverificationcerts.sandbox.paypal.com"),
        Forged::Expired,
        Forged::NotYet,
        Forged::SelfSigned,
        Forged::OtherAuthority,
    ]
    .into_iter()
    .enumerate()
    {
        let url = server.certificate(forged, &format!("CERT-F{number}"));
        let headers = server.sign(BODY, now(), &url);
        let refused = verifier.verify(&transmission(&headers), BODY, now()).await;
        let expected = match forged {
            Forged::Name(_) => matches!(refused, Err(VerifyError::Certificate(CertificateError::Name))),
            _ => matches!(refused, Err(VerifyError::Certificate(CertificateError::Untrusted(_)))),
        };
        assert!(expected, "{forged:?}: {refused:?}");
    }
    // A certificate that was good when it was kept is not good for ever.
    let url = server.certificate(Forged::No, "CERT-2");
    let later = Time::from_micros(32_600_000_000_000_000);
    let headers = server.sign(BODY, now(), &url);
    verifier.verify(&transmission(&headers), BODY, now()).await.expect("good now");
    let headers = server.sign(BODY, later, &url);
    let refused = verifier.verify(&transmission(&headers), BODY, later).await;
    assert!(matches!(refused, Err(VerifyError::Certificate(CertificateError::Untrusted(_)))), "{refused:?}");
}

#[tokio::test]
async fn nobody_is_asked_for_a_certificate_but_paypal() {
    let server = PaypalServer::start().await;
    // As in real life: no roots of its own, so no address but PayPal's.
    let options = CertificateOptions { api_base: server.base_url(), roots: None };
    let strict = Verifier::new(client(LONG), PAYPAL_WEBHOOK.to_owned(), &options).expect("a verifier");
    let own = format!("{}/v1/notifications/certs/CERT-1", server.base_url());
    for url in
        [own.as_str(), "http://api.paypal.com/v1/notifications/certs/C", "https://127.0.0.1/v1/notifications/certs/C"]
    {
        let headers = server.sign(BODY, now(), url);
        let refused = strict.verify(&transmission(&headers), BODY, now()).await;
        assert_eq!(refused, Err(VerifyError::Certificate(CertificateError::Url)), "{url}");
    }
    assert!(server.asked().is_empty(), "nothing was fetched");
    let verifier = verifier(&server);
    let missing = format!("{}/v1/notifications/certs/CERT-NONE", server.base_url());
    let headers = server.sign(BODY, now(), &missing);
    let refused = verifier.verify(&transmission(&headers), BODY, now()).await;
    assert_eq!(refused, Err(VerifyError::Certificate(CertificateError::Format)));
}

#[tokio::test]
async fn every_header_is_needed() {
    let server = PaypalServer::start().await;
    let verifier = verifier(&server);
    let url = server.certificate(Forged::No, "CERT-2");
    let headers = server.sign(BODY, now(), &url);
    for place in 0..headers.len() {
        for value in [String::new(), "x".repeat(2_000), "nonsense".to_owned()] {
            let mut headers = headers.clone();
            headers[place].1 = value;
            let refused = verifier.verify(&transmission(&headers), BODY, now()).await;
            assert!(refused.is_err(), "{}", headers[place].0);
        }
        let mut headers = headers.clone();
        headers.remove(place);
        assert!(matches!(verifier.verify(&transmission(&headers), BODY, now()).await, Err(VerifyError::Header(_))));
    }
}
