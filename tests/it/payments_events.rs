//! What providers say, in our words: on Stripe's own example objects, in every shape that they have had, and on nonsense.

use std::time::Duration;

use mintreu::{
    kernel::{Currency, Money, OrderId, Time},
    payments::{DisputeNews, Event, Paid, Refunded, Renewed, UnreadableEvent, paypal, stripe},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const ORDER: &str = "ord_01h455vb4pex5vsknk084sn02q";

fn order() -> OrderId {
    ORDER.parse().expect("an identifier")
}

/// An example object with some of its fields changed.
fn example(text: &str, change: &Value) -> Value {
    let mut object: Value = serde_json::from_str(text).expect("JSON");
    for (name, value) in change.as_object().expect("an object") {
        object[name] = value.clone();
    }
    object
}

fn session(change: &Value) -> Value {
    let mut object = example(
        include_str!("data/stripe/checkout.session.json"),
        &json!({
            "client_reference_id": ORDER, "amount_total": 1999, "currency": "usd", "payment_status": "paid", "status": "complete",
        }),
    );
    for (name, value) in change.as_object().expect("an object") {
        object[name] = value.clone();
    }
    object
}

fn charge(change: &Value) -> Value {
    example(include_str!("data/stripe/charge.json"), change)
}

fn invoice(change: &Value) -> Value {
    example(include_str!("data/stripe/invoice.json"), change)
}

fn subscription(change: &Value) -> Value {
    example(include_str!("data/stripe/subscription.json"), change)
}

fn read(kind: &str, object: &Value) -> Result<Event, UnreadableEvent> {
    stripe::read(kind, &json!({ "id": "evt_1", "type": kind, "data": { "object": object } }).to_string())
}

fn is_unreadable(kind: &str, object: &Value) -> bool {
    read(kind, object).is_err()
}

#[test]
fn a_completed_session_is_a_payment() {
    let id = session(&json!({}))["id"].as_str().expect("a name").to_owned();
    let paid = Paid {
        order: order(),
        session: id.clone(),
        charge: Some("pi_1PgafyB7WZ01zgkWSjxsAJo3".to_owned()),
        amount: 1999,
        currency: Currency::USD,
        fee: None,
        subscription: None,
    };
    for kind in ["checkout.session.completed", "checkout.session.async_payment_succeeded"] {
        assert_eq!(read(kind, &session(&json!({}))), Ok(Event::Paid(paid.clone())));
    }
    let named_in_metadata = session(&json!({ "client_reference_id": null, "metadata": { "order_id": ORDER } }));
    assert_eq!(read("checkout.session.completed", &named_in_metadata), Ok(Event::Paid(paid.clone())));
    let yen = session(
        &json!({ "amount_total": 500, "currency": "jpy", "payment_intent": { "id": "pi_x", "object": "payment_intent" } }),
    );
    let Ok(Event::Paid(read_yen)) = read("checkout.session.completed", &yen) else { panic!("not paid") };
    assert_eq!((read_yen.amount, read_yen.currency, read_yen.charge.as_deref()), (500, Currency::JPY, Some("pi_x")));
    let free = session(
        &json!({ "amount_total": 0, "payment_status": "no_payment_required", "payment_intent": null, "subscription": "sub_1" }),
    );
    let Ok(Event::Paid(begun)) = read("checkout.session.completed", &free) else { panic!("not paid") };
    assert_eq!((begun.amount, begun.charge, begun.subscription.as_deref()), (0, None, Some("sub_1")));
}

#[test]
fn a_session_that_is_not_paid_or_not_ours_pays_nothing() {
    let kind = "checkout.session.completed";
    assert_eq!(read(kind, &session(&json!({ "payment_status": "unpaid" }))), Ok(Event::Ignored("unpaid")));
    for reference in [json!(null), json!("42"), json!("usr_01h455vb4pex5vsknk084sn02q")] {
        let foreign = session(&json!({ "client_reference_id": reference }));
        assert_eq!(read(kind, &foreign), Ok(Event::Ignored("not ours")));
    }
    for lack in [
        json!({ "amount_total": null }),
        json!({ "currency": null }),
        json!({ "currency": "zzz" }),
        json!({ "payment_status": null }),
        json!({ "amount_total": -5 }),
        json!({ "amount_total": "1999" }),
        json!({ "id": 7 }),
    ] {
        assert!(is_unreadable(kind, &session(&lack)), "{lack}");
    }
    let id = session(&json!({}))["id"].as_str().expect("a name").to_owned();
    let Ok(Event::PaymentFailed { order: of, session: named, .. }) =
        read("checkout.session.async_payment_failed", &session(&json!({})))
    else {
        panic!("no failure")
    };
    assert_eq!((of, named), (order(), Some(id.clone())));
    let expired = Event::SessionExpired { order: order(), session: id };
    assert_eq!(read("checkout.session.expired", &session(&json!({}))), Ok(expired));
}

#[test]
fn refunds_are_read_with_and_without_their_list() {
    let listed = json!({ "object": "list", "data": [
        { "id": "re_1", "object": "refund", "amount": 60, "status": "succeeded" },
        { "id": "re_2", "object": "refund", "amount": 10, "status": "failed" },
    ]});
    let change = json!({ "amount_refunded": 60, "payment_intent": "pi_1", "refunds": listed, "metadata": { "order_id": ORDER } });
    let news = Refunded {
        order: Some(order()),
        charge: "pi_1".to_owned(),
        refunds: vec![("re_1".to_owned(), 60)],
        total: Some(60),
        currency: Currency::USD,
    };
    assert_eq!(read("charge.refunded", &charge(&change)), Ok(Event::Refunded(news.clone())));
    let mut bare = charge(&change);
    bare.as_object_mut().expect("an object").remove("refunds");
    let without = Refunded { refunds: Vec::new(), ..news.clone() };
    assert_eq!(read("charge.refunded", &bare), Ok(Event::Refunded(without)));
    let Ok(Event::Refunded(old)) = read("charge.refunded", &charge(&json!({ "amount_refunded": 100 }))) else {
        panic!("none")
    };
    assert_eq!(
        (old.charge.as_str(), old.order),
        ("ch_1PgafuB7WZ01zgkWXYmPNZs8", None),
        "a charge without an intent is itself"
    );

    let refund = |change: &Value| example(include_str!("data/stripe/refund.json"), change);
    let Ok(Event::Refunded(one)) = read("refund.updated", &refund(&json!({ "payment_intent": "pi_1" }))) else {
        panic!("none")
    };
    assert_eq!(
        (one.charge.as_str(), one.refunds, one.total),
        ("pi_1", vec![("re_1Pgc72B7WZ01zgkWqPvrRrPE".to_owned(), 100)], None)
    );
    let pending = refund(&json!({ "status": "pending" }));
    assert_eq!(read("refund.updated", &pending), Ok(Event::Ignored("the refund is pending")));
    for status in ["failed", "canceled"] {
        let name = "re_1Pgc72B7WZ01zgkWqPvrRrPE".to_owned();
        let failed = Event::RefundFailed { order: None, refund: name };
        assert_eq!(read("refund.updated", &refund(&json!({ "status": status }))), Ok(failed));
    }
    assert!(is_unreadable("refund.updated", &refund(&json!({ "charge": null }))));
}

#[test]
fn disputes_are_read_and_inquiries_are_none() {
    let dispute = |status: &str| {
        json!({
            "id": "dp_1", "object": "dispute", "amount": 1999, "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1",
            "reason": "fraudulent", "status": status, "metadata": {}, "evidence": {}, "is_charge_refundable": false,
        })
    };
    let news = DisputeNews {
        reference: "dp_1".to_owned(),
        order: None,
        charge: "pi_1".to_owned(),
        amount: 1999,
        currency: Currency::USD,
        reason: "fraudulent".to_owned(),
    };
    assert_eq!(read("charge.dispute.created", &dispute("needs_response")), Ok(Event::DisputeOpened(news.clone())));
    for (status, won) in [("won", true), ("lost", false)] {
        let closed = Event::DisputeClosed { dispute: news.clone(), won };
        assert_eq!(read("charge.dispute.closed", &dispute(status)), Ok(closed));
    }
    assert_eq!(read("charge.dispute.created", &dispute("warning_needs_response")), Ok(Event::Ignored("an inquiry")));
    assert_eq!(read("charge.dispute.closed", &dispute("warning_closed")), Ok(Event::Ignored("an inquiry")));
    assert!(is_unreadable("charge.dispute.closed", &dispute("under_review")));
}

#[test]
fn a_fee_is_known_when_the_balance_is_told() {
    assert_eq!(read("charge.updated", &charge(&json!({}))), Ok(Event::Ignored("its fee is not told")));
    let booked = json!({ "id": "txn_1", "object": "balance_transaction", "fee": 33, "currency": "eur", "net": 67 });
    let told = charge(&json!({ "balance_transaction": booked, "payment_intent": "pi_1" }));
    let known = Event::FeeKnown { charge: "pi_1".to_owned(), fee: Money::new(33, Currency::EUR) };
    assert_eq!(read("charge.updated", &told), Ok(known));
}

#[test]
fn a_failed_attempt_is_told_with_its_reason() {
    let intent = |change: &Value| example(include_str!("data/stripe/payment_intent.json"), change);
    let error = json!({ "type": "card_error", "message": "Your card\u{0} was declined." });
    let failed = intent(&json!({ "metadata": { "order_id": ORDER }, "last_payment_error": error }));
    let expected = Event::PaymentFailed { order: order(), session: None, reason: "Your card was declined.".to_owned() };
    assert_eq!(read("payment_intent.payment_failed", &failed), Ok(expected));
    assert_eq!(read("payment_intent.payment_failed", &intent(&json!({}))), Ok(Event::Ignored("not ours")));
    let long = json!({ "message": "é".repeat(9_000) });
    let failed = intent(&json!({ "metadata": { "order_id": ORDER }, "last_payment_error": long }));
    let Ok(Event::PaymentFailed { reason, .. }) = read("payment_intent.payment_failed", &failed) else {
        panic!("none")
    };
    assert_eq!(reason.chars().count(), 500);
}

#[test]
fn renewals_are_read_in_the_old_shape_and_the_new() {
    let lines = json!({ "object": "list", "data": [{ "object": "line_item", "period": { "start": 1, "end": 1_800_000_000 } }] });
    let paid = json!({ "billing_reason": "subscription_cycle", "status": "paid", "amount_paid": 1000, "lines": lines });
    let expected = Renewed {
        subscription: "sub_1".to_owned(),
        invoice: "in_1Pgc6tB7WZ01zgkWu9fdqL6I".to_owned(),
        charge: Some("pi_1".to_owned()),
        amount: 1000,
        currency: Currency::USD,
        period_end: Time::from_micros(1_800_000_000_000_000),
    };
    let mut old = invoice(&paid);
    (old["parent"], old["subscription"], old["payment_intent"]) = (json!(null), json!("sub_1"), json!("pi_1"));
    assert_eq!(read("invoice.paid", &old), Ok(Event::Renewed(expected.clone())));
    let mut new = invoice(&paid);
    new["parent"]["subscription_details"]["subscription"] = json!("sub_1");
    new["payments"] =
        json!({ "object": "list", "data": [{ "payment": { "type": "payment_intent", "payment_intent": "pi_1" } }] });
    assert_eq!(read("invoice.paid", &new), Ok(Event::Renewed(expected)));

    for (reason, why) in [("subscription_create", "its session tells"), ("manual", "of no further period")] {
        new["billing_reason"] = json!(reason);
        assert_eq!(read("invoice.paid", &new), Ok(Event::Ignored(why)));
        assert_eq!(read("invoice.payment_failed", &new), Ok(Event::Ignored("of no further period")));
    }
    new["billing_reason"] = json!("subscription_cycle");
    let failed =
        Event::RenewalFailed { subscription: "sub_1".to_owned(), invoice: "in_1Pgc6tB7WZ01zgkWu9fdqL6I".to_owned() };
    assert_eq!(read("invoice.payment_failed", &new), Ok(failed));
    new["parent"] = json!(null);
    assert_eq!(read("invoice.paid", &new), Ok(Event::Ignored("of no subscription")));
}

#[test]
fn a_changed_subscription_tells_when_its_period_ends_in_both_shapes() {
    let id = "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw".to_owned();
    let expected = |end: i64| Event::SubscriptionChanged {
        subscription: id.clone(),
        cancel_at_period_end: true,
        period_end: Some(Time::from_micros(0) + Duration::from_secs(end.unsigned_abs())),
    };
    let kind = "customer.subscription.updated";
    assert_eq!(read(kind, &subscription(&json!({}))), Ok(expected(976_287_773)));
    assert_eq!(read(kind, &subscription(&json!({ "current_period_end": 1_800_000_000 }))), Ok(expected(1_800_000_000)));
    let ended = Event::SubscriptionEnded { subscription: id.clone() };
    assert_eq!(read("customer.subscription.deleted", &subscription(&json!({}))), Ok(ended));
}

#[test]
fn what_is_of_no_interest_is_ignored_whatever_it_holds() {
    for kind in [
        "plan.created",
        "customer.created",
        "",
        "payment_intent.succeeded",
        "customer.subscription.created",
        "invoice.payment_succeeded",
    ] {
        assert!(matches!(stripe::read(kind, "not even JSON"), Ok(Event::Ignored(_))), "{kind}");
    }
    assert!(matches!(paypal::read("BILLING.SUBSCRIPTION.CREATED", "{}"), Ok(Event::Ignored(_))));
}

#[test]
fn paypals_reversal_may_show_the_capture_itself() {
    let reversed = json!({ "resource": {
        "id": "2GG1", "status": "REVERSED", "amount": { "currency_code": "EUR", "value": "5.00" }, "custom_id": ORDER,
    }});
    let news = Refunded {
        order: Some(order()),
        charge: "2GG1".to_owned(),
        refunds: Vec::new(),
        total: Some(500),
        currency: Currency::EUR,
    };
    assert_eq!(paypal::read("PAYMENT.CAPTURE.REVERSED", &reversed.to_string()), Ok(Event::Refunded(news)));
    let foreign = json!({ "resource": { "id": "2GG1", "amount": { "currency_code": "EUR", "value": "5.00" } } });
    assert_eq!(paypal::read("PAYMENT.CAPTURE.COMPLETED", &foreign.to_string()), Ok(Event::Ignored("not ours")));
}

const STRIPE_KINDS: &[&str] = &[
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.payment_failed",
    "charge.refunded",
    "charge.updated",
    "refund.updated",
    "charge.dispute.created",
    "charge.dispute.closed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_failed",
];
const PAYPAL_KINDS: &[&str] = &[
    "CHECKOUT.ORDER.APPROVED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.RESOLVED",
];

/// Any JSON, with names and values among them that readers look for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("usd"),
            Just("isk"),
            Just("paid"),
            Just("succeeded"),
            Just("won"),
            Just("5.00"),
            Just(ORDER),
            Just("subscription_cycle")
        ]
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("id"),
        Just("amount"),
        Just("amount_total"),
        Just("currency"),
        Just("payment_status"),
        Just("status"),
        Just("client_reference_id"),
        Just("metadata"),
        Just("order_id"),
        Just("payment_intent"),
        Just("charge"),
        Just("refunds"),
        Just("data"),
        Just("amount_refunded"),
        Just("subscription"),
        Just("lines"),
        Just("period"),
        Just("end"),
        Just("billing_reason"),
        Just("amount_paid"),
        Just("custom_id"),
        Just("purchase_units"),
        Just("value"),
        Just("currency_code"),
        Just("links"),
        Just("dispute_id"),
        Just("disputed_transactions"),
        Just("current_period_end"),
        Just("fee"),
        Just("balance_transaction"),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

/// One of Stripe's examples with a field replaced.
fn bent_example() -> impl Strategy<Value = Value> {
    let examples = [
        session(&json!({})),
        charge(&json!({})),
        invoice(&json!({ "billing_reason": "subscription_cycle" })),
        subscription(&json!({})),
    ];
    (proptest::sample::select(examples.to_vec()), any::<proptest::sample::Index>(), any_json()).prop_map(
        |(mut object, at, value)| {
            let names: Vec<String> = object.as_object().expect("an object").keys().cloned().collect();
            object[names[at.index(names.len())].as_str()] = value;
            object
        },
    )
}

proptest! {
    #[test]
    fn no_payload_makes_a_reader_panic(object in prop_oneof![any_json(), bent_example()], text: String) {
        let (stripes, paypals) = (json!({ "data": { "object": object } }).to_string(), json!({ "resource": object }).to_string());
        for kind in STRIPE_KINDS {
            let _ = stripe::read(kind, &stripes);
            let _ = stripe::read(kind, &text);
        }
        for kind in PAYPAL_KINDS {
            let _ = paypal::read(kind, &paypals);
            let _ = paypal::read(kind, &text);
        }
    }
}
