//! The sandbox: sessions, charges and subscriptions of its own, told of as Stripe tells.

use std::time::Duration;

use mintreu::{
    db::Db,
    kernel::{Currency, Money},
    payments::{
        Event, Intake, Paid, Period, Provider, ProviderError, SessionState, SubscriptionEnd,
        sandbox::{Completion, Delivering, DisputeMove, PayOutcome, RenewalOutcome, Sandbox, SandboxError},
    },
};

use crate::payments_scene::{checkout, inbox, intake, number, refund, usd};

fn sandbox(db: &Db) -> Sandbox {
    Sandbox::new(db.clone(), intake(), "https://shop.example.com/")
}

const ONCE: Delivering = Delivering { copies: 1, delay_seconds: 0, reversed: false };

fn how(outcome: PayOutcome) -> Completion {
    Completion { outcome, delivering: ONCE, amount: None, currency: None }
}

/// What was told, in the order of arrival.
async fn told(db: &Db, sandbox: &Sandbox) -> Vec<Event> {
    let read = |(kind, payload): &(String, String)| sandbox.read(kind, payload).expect("the sandbox can be read");
    inbox(db).await.iter().map(read).filter(|event| !matches!(event, Event::Ignored(_))).collect()
}

async fn open(sandbox: &Sandbox) -> String {
    sandbox.open(&checkout(usd(1999))).await.expect("opened").reference
}

async fn paid(sandbox: &Sandbox, session: &str) -> Paid {
    match sandbox.look_up(session).await {
        Ok(SessionState::Paid(paid)) => paid,
        other => panic!("{other:?}"),
    }
}

on_both!(a_session_is_opened_once_for_a_key_and_paid_once, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let mut checkout = checkout(usd(1999));
    let session = sandbox.open(&checkout).await.expect("opened");
    assert_eq!(sandbox.open(&checkout).await.as_ref(), Ok(&session));
    assert_eq!(session.url, format!("https://shop.example.com/sandbox/pay/{}", session.reference));
    let id = session.reference.as_str();
    assert_eq!(sandbox.look_up(id).await, Ok(SessionState::Open));
    sandbox.complete(id, how(PayOutcome::Paid)).await.expect("paid");
    let again = sandbox.complete(id, how(PayOutcome::Paid)).await;
    assert!(matches!(again, Err(SandboxError::State(_))), "{again:?}");
    let looked_up = paid(&sandbox, id).await;
    assert_eq!((looked_up.order, looked_up.amount, looked_up.fee), (checkout.order, 1999, Some(88)));
    let charge = looked_up.charge.clone().expect("a charge");
    let events = told(&db, &sandbox).await;
    let by_event = Paid { fee: None, ..looked_up };
    assert_eq!(events, [Event::Paid(by_event), Event::FeeKnown { charge: charge.clone(), fee: usd(88) }]);
    assert_eq!(sandbox.fee(&charge).await, Ok(Some(usd(88))));
    assert_eq!(number(&db, "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.handle_event'").await, 3);
    checkout.total = usd(1);
    assert!(matches!(sandbox.open(&checkout).await, Err(ProviderError::Refused(_))), "the key is taken");
    assert_eq!(sandbox.look_up("cs_sandbox_none").await, Ok(SessionState::Ended));
    assert!(matches!(sandbox.complete("cs_none", how(PayOutcome::Paid)).await, Err(SandboxError::Unknown)));
});

on_both!(events_come_as_often_as_late_and_in_the_order_that_is_asked_for, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let session = open(&sandbox).await;
    let delivering = Delivering { copies: 5, reversed: true, ..ONCE };
    sandbox.complete(&session, Completion { delivering, ..how(PayOutcome::Paid) }).await.expect("paid");
    let kinds: Vec<String> = inbox(&db).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["charge.updated", "payment_intent.succeeded", "checkout.session.completed"], "each kept once");
    assert_eq!(number(&db, "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.handle_event'").await, 15);

    let late = open(&sandbox).await;
    let delivering = Delivering { delay_seconds: 60, copies: 2, ..ONCE };
    sandbox.complete(&late, Completion { delivering, ..how(PayOutcome::Paid) }).await.expect("paid");
    assert_eq!(paid(&sandbox, &late).await.amount, 1999, "who asks knows at once");
    assert_eq!(inbox(&db).await.len(), 3);
    let waiting = "SELECT COUNT(*) FROM jobs WHERE kind = 'payments.sandbox_deliver' AND state = 'scheduled'";
    assert_eq!(number(&db, waiting).await, 6);
    for (copies, delay_seconds) in [(0, 0), (51, 0), (1, 86_401)] {
        let delivering = Delivering { copies, delay_seconds, reversed: false };
        let refused = sandbox.complete(&late, Completion { delivering, ..how(PayOutcome::Paid) }).await;
        assert!(matches!(refused, Err(SandboxError::Copies | SandboxError::Delay)), "{refused:?}");
    }
});

on_both!(a_wrong_amount_is_what_was_charged, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let session = open(&sandbox).await;
    let wrong = Completion { amount: Some(5), currency: Some(Currency::EUR), ..how(PayOutcome::Paid) };
    sandbox.complete(&session, wrong).await.expect("paid");
    let looked_up = paid(&sandbox, &session).await;
    assert_eq!((looked_up.amount, looked_up.currency), (5, Currency::EUR));
    let Event::Paid(event) = &told(&db, &sandbox).await[0] else { panic!("not paid") };
    assert_eq!((event.amount, event.currency), (5, Currency::EUR));
});

on_both!(who_is_declined_may_try_again_and_who_lets_it_expire_may_not, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let session = open(&sandbox).await;
    sandbox.complete(&session, how(PayOutcome::Declined)).await.expect("declined");
    assert_eq!(sandbox.look_up(&session).await, Ok(SessionState::Open));
    sandbox.complete(&session, how(PayOutcome::Expired)).await.expect("expired");
    assert_eq!(sandbox.look_up(&session).await, Ok(SessionState::Ended));
    assert!(matches!(sandbox.complete(&session, how(PayOutcome::Paid)).await, Err(SandboxError::State(_))));
    let events = told(&db, &sandbox).await;
    assert!(matches!(events[..], [Event::PaymentFailed { .. }, Event::SessionExpired { .. }]), "{events:?}");
});

on_both!(a_transfer_arrives_later_or_never, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    for (outcome, arrives) in [(PayOutcome::Delayed, true), (PayOutcome::DelayedFails, false)] {
        let session = open(&sandbox).await;
        sandbox.complete(&session, how(outcome)).await.expect("promised");
        assert_eq!(sandbox.look_up(&session).await, Ok(SessionState::Open));
        let job: String = mintreu::fetch_one!(
            &db,
            sqlx::query_scalar(
                "SELECT payload FROM jobs WHERE kind = 'payments.sandbox_transfer' ORDER BY id DESC LIMIT 1"
            )
        )
        .expect("a job");
        let job = serde_json::from_str(&job).expect("a job");
        db.write(async |tx| sandbox.settle_transfer(tx, &job).await).await.expect("settled");
        let state = sandbox.look_up(&session).await.expect("answers");
        assert_eq!(matches!(state, SessionState::Paid(_)), arrives, "{state:?}");
        assert_eq!(state == SessionState::Ended, !arrives);
    }
    let events = told(&db, &sandbox).await;
    assert!(matches!(events[..], [Event::Paid(_), Event::FeeKnown { .. }, Event::PaymentFailed { .. }]), "{events:?}");
});

on_both!(money_goes_back_once_for_a_key_and_never_more_than_there_was, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let session = open(&sandbox).await;
    sandbox.complete(&session, how(PayOutcome::Paid)).await.expect("paid");
    let Paid { order, charge, .. } = paid(&sandbox, &session).await;
    let charge = charge.expect("a charge");
    let half = refund(order, &charge, usd(1000), "r1");
    let first = sandbox.refund(&half).await.expect("refunded");
    assert_eq!(sandbox.refund(&half).await.as_ref(), Ok(&first));
    let other = refund(order, &charge, usd(500), "r1");
    assert!(matches!(sandbox.refund(&other).await, Err(ProviderError::Refused(_))), "the key is taken");
    let more = refund(order, &charge, usd(1000), "r2");
    assert!(matches!(sandbox.refund(&more).await, Err(ProviderError::Refused(_))), "only 999 are left");
    let euros = refund(order, &charge, Money::new(1, Currency::EUR), "r3");
    assert!(matches!(sandbox.refund(&euros).await, Err(ProviderError::Refused(_))));
    assert_eq!(sandbox.refund(&refund(order, "pi_none", usd(1), "r4")).await, Err(ProviderError::NotFound));
    let rest = sandbox.refund_session(&session, None, ONCE).await.expect("the rest, at the provider");
    let refunds: Vec<_> = told(&db, &sandbox)
        .await
        .into_iter()
        .filter_map(|event| match event {
            Event::Refunded(news) => Some((news.charge == charge, news.refunds, news.total)),
            _ => None,
        })
        .collect();
    let expected = [
        (true, vec![(first.reference, 1000)], None),
        (true, vec![], Some(1000)),
        (true, vec![(rest, 999)], None),
        (true, vec![], Some(1999)),
    ];
    assert_eq!(refunds, expected);
    assert!(matches!(sandbox.refund_session(&session, None, ONCE).await, Err(SandboxError::Amount)));
});

on_both!(a_refund_may_be_told_before_its_payment, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let session = open(&sandbox).await;
    let delivering = Delivering { reversed: true, ..ONCE };
    sandbox.complete(&session, Completion { delivering, ..how(PayOutcome::PaidAndRefunded) }).await.expect("both");
    let events = told(&db, &sandbox).await;
    assert!(
        matches!(events[0], Event::Refunded(_)) && matches!(events[events.len() - 1], Event::Paid(_)),
        "{events:?}"
    );
});

on_both!(a_dispute_is_opened_and_decided_once, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let session = open(&sandbox).await;
    assert!(sandbox.dispute(&session, DisputeMove::Open, ONCE).await.is_err(), "nothing was paid");
    sandbox.complete(&session, how(PayOutcome::Paid)).await.expect("paid");
    assert!(sandbox.dispute(&session, DisputeMove::Win, ONCE).await.is_err(), "none is open");
    let id = sandbox.dispute(&session, DisputeMove::Open, ONCE).await.expect("opened");
    assert_eq!(sandbox.dispute(&session, DisputeMove::Lose, ONCE).await.expect("lost"), id);
    assert!(sandbox.dispute(&session, DisputeMove::Win, ONCE).await.is_err(), "it is decided");
    let events = told(&db, &sandbox).await;
    assert!(matches!(events[2..], [Event::DisputeOpened(_), Event::DisputeClosed { won: false, .. }]), "{events:?}");
});

on_both!(a_subscription_renews_fails_recovers_and_ends, |db| async move {
    let db = db.open().await;
    let sandbox = sandbox(&db);
    let mut checkout = checkout(usd(900));
    checkout.recurring = Some(Period::Year);
    let session = sandbox.open(&checkout).await.expect("opened").reference;
    sandbox.complete(&session, how(PayOutcome::Paid)).await.expect("paid");
    let begun = paid(&sandbox, &session).await;
    let subscription = begun.subscription.expect("a subscription");
    let seen = async || told(&db, &sandbox).await;
    let Event::Paid(event) = &seen().await[0] else { panic!("not paid") };
    assert_eq!((event.subscription.as_ref(), event.charge.as_ref()), (Some(&subscription), None));

    sandbox.renew(&subscription, RenewalOutcome::Paid, ONCE).await.expect("renewed");
    let Some(Event::Renewed(renewed)) = seen().await.into_iter().find(|event| matches!(event, Event::Renewed(_)))
    else {
        panic!("not renewed")
    };
    assert_eq!((renewed.amount, &renewed.subscription), (900, &subscription));
    assert!(renewed.period_end > db.now() + Duration::from_hours(24 * 720));
    let part = refund(checkout.order, &renewed.charge.expect("a charge"), usd(100), "r1");
    sandbox.refund(&part).await.expect("a renewal can be refunded too");

    sandbox.renew(&subscription, RenewalOutcome::Failed, ONCE).await.expect("failed");
    sandbox.renew(&subscription, RenewalOutcome::Failed, ONCE).await.expect("failed again");
    let failed: Vec<String> = seen()
        .await
        .into_iter()
        .filter_map(|event| if let Event::RenewalFailed { invoice, .. } = event { Some(invoice) } else { None })
        .collect();
    assert!(failed.len() == 2 && failed[0] == failed[1], "the same invoice: {failed:?}");
    sandbox.retry_invoice(&failed[0]).await.expect("paid");
    sandbox.retry_invoice(&failed[0]).await.expect("paid already");
    assert_eq!(seen().await.iter().filter(|event| matches!(event, Event::Renewed(_))).count(), 2);
    assert_eq!(sandbox.retry_invoice("in_none").await, Err(ProviderError::NotFound));

    sandbox.cancel_subscription(&subscription, SubscriptionEnd::PeriodEnd).await.expect("told");
    let last = seen().await.pop().expect("an event");
    assert!(matches!(last, Event::SubscriptionChanged { cancel_at_period_end: true, .. }), "{last:?}");
    sandbox.renew(&subscription, RenewalOutcome::Paid, ONCE).await.expect("ended instead");
    assert_eq!(seen().await.pop(), Some(Event::SubscriptionEnded { subscription: subscription.clone() }));
    sandbox.cancel_subscription(&subscription, SubscriptionEnd::Now).await.expect("as it is");
    assert!(sandbox.renew(&subscription, RenewalOutcome::Paid, ONCE).await.is_err());
});

on_both!(a_sandbox_whose_intake_is_off_changes_nothing, |db| async move {
    let db = db.open().await;
    let sandbox = Sandbox::new(db.clone(), Intake::default(), "https://shop.example.com");
    let session = open(&sandbox).await;
    assert!(sandbox.complete(&session, how(PayOutcome::Paid)).await.is_err());
    assert_eq!(sandbox.look_up(&session).await, Ok(SessionState::Open), "no event, no payment");
});
