//! The inbox: stored before it is acknowledged, once however often it comes, handled again when an operator says so.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use mintreu::{
    audit::Actor,
    db::{Db, DbError},
    execute, fetch_all, fetch_one,
    kernel::{ManualClock, PageFrom, PageRequest, Time},
    payments::{
        self, Accepted, Delivery, HandleEvent, InboxFilter, Intake, IntakeError, ProviderName, ReplayError, WebhookId,
        paypal::Transmission, signature,
    },
};
use serde_json::json;

use crate::payments_scene::{SECRET, inbox, intake, number, secrets};

async fn deliver(db: &Db, intake: &Intake, body: &[u8]) -> Result<Accepted, IntakeError> {
    let header = signature::sign(SECRET, body, db.now());
    deliver_signed(db, intake, &header, body).await
}

async fn deliver_signed(db: &Db, intake: &Intake, header: &str, body: &[u8]) -> Result<Accepted, IntakeError> {
    let delivery = Delivery { signature: Some(header), transmission: Transmission::default(), body };
    intake.accept(db, ProviderName::Stripe, &delivery).await
}

fn event(id: &str) -> Vec<u8> {
    json!({ "id": id, "type": "customer.created", "data": { "object": { "name": "Ada \u{0} \"é\\" } } })
        .to_string()
        .into()
}

/// Does every job that handles an event, all at the same time, as handlers do. What was handled is a row in `effects`.
async fn handle_all(db: &Db) {
    let jobs: Vec<String> =
        fetch_all!(db, sqlx::query_scalar("SELECT payload FROM jobs WHERE kind = 'payments.handle_event' ORDER BY id"))
            .expect("jobs");
    let handled = jobs.iter().map(async |job| {
        let job: HandleEvent = serde_json::from_str(job).expect("a job");
        db.write(async |tx| {
            let Some(arrived) = payments::take(tx, job.event).await? else { return Ok(()) };
            execute!(tx, sqlx::query("INSERT INTO effects (name) VALUES ($1)").bind(&arrived.event_type))?;
            payments::record(tx, job.event, "handled", Some("of these tests"));
            Ok(())
        })
        .await
    });
    let handled: Vec<Result<(), DbError>> = join_all(handled).await;
    assert!(handled.iter().all(Result::is_ok), "{handled:?}");
}

async fn effects(db: &Db) -> i64 {
    number(db, "SELECT COUNT(*) FROM effects").await
}

async fn with_effects(db: &Db) {
    db.write(async |tx| execute!(tx, sqlx::query("CREATE TABLE effects (name TEXT NOT NULL)"))).await.expect("a table");
}

async fn only(db: &Db) -> WebhookId {
    fetch_one!(db, sqlx::query_scalar("SELECT id FROM webhook_inbox")).expect("one event")
}

on_both!(the_same_event_a_hundred_times_at_once_is_kept_and_handled_once, |db| async move {
    let db = db.open().await;
    with_effects(&db).await;
    let (intake, body) = (intake(), event("evt_same"));
    let taken = join_all((0..100).map(async |_| deliver(&db, &intake, &body).await)).await;
    assert!(taken.iter().all(|taken| matches!(taken, Ok(Accepted::Stored))), "{taken:?}");
    assert_eq!(inbox(&db).await, [("customer.created".to_owned(), String::from_utf8(body.clone()).expect("text"))]);
    assert_eq!(number(&db, "SELECT COUNT(*) FROM jobs").await, 100, "each delivery owes a look");
    handle_all(&db).await;
    handle_all(&db).await;
    assert_eq!(effects(&db).await, 1);
    deliver(&db, &intake, &body).await.expect("long after, too");
    handle_all(&db).await;
    assert_eq!(effects(&db).await, 1);
    assert_eq!(number(&db, "SELECT COUNT(*) FROM webhook_inbox WHERE outcome = 'handled'").await, 1);
});

on_both!(different_events_in_one_moment_are_all_kept_and_all_handled, |db| async move {
    let db = db.open().await;
    with_effects(&db).await;
    let intake = intake();
    let bodies: Vec<Vec<u8>> = (0..60).map(|number| event(&format!("evt_{}", number / 2))).collect();
    let taken = join_all(bodies.iter().map(async |body| deliver(&db, &intake, body).await)).await;
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    handle_all(&db).await;
    assert_eq!((effects(&db).await, inbox(&db).await.len()), (30, 30));
});

on_both!(the_same_name_from_another_provider_is_another_event, |db| async move {
    let db = db.open().await;
    let (intake, body) = (intake(), event("evt_1"));
    deliver(&db, &intake, &body).await.expect("stored");
    let header = signature::sign(SECRET, &body, db.now());
    let delivery = Delivery { signature: Some(&header), transmission: Transmission::default(), body: &body };
    intake.accept(&db, ProviderName::Sandbox, &delivery).await.expect("stored");
    assert_eq!(inbox(&db).await.len(), 2);
});

on_both!(a_delivery_that_is_not_verified_leaves_nothing, |db| async move {
    let db = db.open().await;
    let (intake, body) = (intake(), event("evt_1"));
    let at = |seconds: i64| Time::from_micros(db.now().as_micros() + seconds * 1_000_000);
    for header in [
        String::new(),
        signature::sign("whsec_another", &body, db.now()),
        signature::sign(SECRET, b"another body", db.now()),
        signature::sign(SECRET, &body, at(-310)),
        signature::sign(SECRET, &body, at(310)),
        signature::sign(SECRET, &body, db.now()).replace("v1=", "v0="),
    ] {
        let refused = deliver_signed(&db, &intake, &header, &body).await;
        assert!(matches!(refused, Err(IntakeError::Refused(_))), "{header}: {refused:?}");
    }
    let off = deliver(&db, &Intake::default(), &body).await;
    assert!(matches!(off, Err(IntakeError::Off)), "{off:?}");
    let header = signature::sign("", &body, db.now());
    let empty = Intake { stripe: Some(secrets(&[])), ..Intake::default() };
    assert!(deliver_signed(&db, &empty, &header, &body).await.is_err(), "no secret verifies nothing");
    assert_eq!((inbox(&db).await.len(), number(&db, "SELECT COUNT(*) FROM jobs").await), (0, 0));
});

on_both!(while_a_secret_rolls_both_verify, |db| async move {
    let db = db.open().await;
    let intake = Intake { stripe: Some(secrets(&["whsec_new", "whsec_old"])), ..Intake::default() };
    for (secret, is_good) in [("whsec_new", true), ("whsec_old", true), (SECRET, false)] {
        let body = event(&format!("evt_{secret}"));
        let header = signature::sign(secret, &body, db.now());
        assert_eq!(deliver_signed(&db, &intake, &header, &body).await.is_ok(), is_good, "{secret}");
    }
    let body = event("evt_rolled");
    let (old, new) = (signature::sign("x", &body, db.now()), signature::sign("whsec_old", &body, db.now()));
    let (_, right) = new.split_once(',').expect("two parts");
    deliver_signed(&db, &intake, &format!("{old},{right},v2=ff"), &body).await.expect("one of several is right");
});

on_both!(a_signed_body_that_is_no_event_is_kept_once_and_nothing_is_owed, |db| async move {
    let db = db.open().await;
    let intake = intake();
    let bodies: [&[u8]; 5] = [b"{", b"", br#"{"id":"evt_1"}"#, b"\xff\xfe \0 no text", br#"{"id":7,"type":"x"}"#];
    for body in bodies.into_iter().chain(bodies) {
        assert_eq!(deliver(&db, &intake, body).await.expect("kept"), Accepted::Malformed);
    }
    assert_eq!(number(&db, "SELECT COUNT(*) FROM webhook_inbox WHERE outcome = 'rejected'").await, 5);
    assert_eq!(number(&db, "SELECT COUNT(*) FROM jobs").await, 0);
});

on_both!(a_replayed_event_is_handled_again_and_that_is_audited, |db| async move {
    let db = db.open().await;
    with_effects(&db).await;
    deliver(&db, &intake(), &event("evt_1")).await.expect("stored");
    handle_all(&db).await;
    let id = only(&db).await;
    db.write(async |tx| payments::replay(tx, id, Actor::operator("usr_x")).await).await.expect("replayed");
    let view = payments::show(&db, id).await.expect("answers").expect("is there");
    assert_eq!((view.handled_at, view.outcome, view.detail, view.replays), (None, None, None, 1));
    handle_all(&db).await;
    assert_eq!(effects(&db).await, 2);
    let view = payments::show(&db, id).await.expect("answers").expect("is there");
    assert_eq!((view.outcome.as_deref(), view.detail.as_deref()), (Some("handled"), Some("of these tests")));
    assert_eq!(number(&db, "SELECT COUNT(*) FROM audit_entries WHERE action = 'webhook.replayed'").await, 1);
    let unknown: WebhookId = db.ids().next();
    let refused = db.write(async |tx| payments::replay(tx, unknown, Actor::operator("usr_x")).await).await;
    assert!(matches!(refused, Err(ReplayError::Unknown)), "{refused:?}");
    assert_eq!(number(&db, "SELECT COUNT(*) FROM audit_entries").await, 1);
});

on_both!(the_inbox_is_listed_in_pages_and_by_what_fits, |db| async move {
    let db = db.open().await;
    let intake = intake();
    for number in 0..5 {
        deliver(&db, &intake, &event(&format!("evt_{number}"))).await.expect("stored");
    }
    deliver(&db, &intake, b"{").await.expect("kept");
    let list = async |filter: InboxFilter, from| {
        let request = PageRequest { limit: 2, from };
        payments::list(&db, &filter, &request).await.expect("a page")
    };
    let (mut seen, mut from) = (Vec::new(), PageFrom::Start);
    loop {
        let page = list(InboxFilter::default(), from).await;
        assert!(page.data.iter().all(|event| event.payload.is_none()), "no bodies in lists");
        seen.extend(page.data.iter().map(|event| event.event_id.clone()));
        let Some(next) = page.next_cursor else { break };
        from = PageFrom::After(next.parse().expect("a cursor"));
    }
    assert!(seen[0].starts_with("unread:"));
    assert_eq!(seen[1..], ["evt_4", "evt_3", "evt_2", "evt_1", "evt_0"]);
    let rejected = InboxFilter { outcome: Some("rejected".to_owned()), ..InboxFilter::default() };
    assert_eq!(list(rejected, PageFrom::Start).await.data.len(), 1);
    let waiting = InboxFilter { unhandled: true, ..InboxFilter::default() };
    assert!(list(waiting, PageFrom::Start).await.has_more);
    for (provider, kind, count) in
        [("stripe", "customer.created", 2), ("paypal", "customer.created", 0), ("stripe", "x", 0)]
    {
        let filter = InboxFilter {
            provider: Some(provider.to_owned()),
            event_type: Some(kind.to_owned()),
            ..InboxFilter::default()
        };
        assert_eq!(list(filter, PageFrom::Start).await.data.len(), count, "{provider} {kind}");
    }
});

on_both!(what_was_handled_is_purged_after_its_retention_and_what_waits_is_not, |db| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = db.open_at(clock.clone()).await;
    with_effects(&db).await;
    let intake = intake();
    for number in 0..3 {
        deliver(&db, &intake, &event(&format!("evt_old_{number}"))).await.expect("stored");
    }
    handle_all(&db).await;
    deliver(&db, &intake, &event("evt_waits")).await.expect("stored");
    clock.advance(Duration::from_hours(24 * 90));
    deliver(&db, &intake, &event("evt_young")).await.expect("stored");
    let keep = Duration::from_hours(24 * 90);
    assert_eq!(payments::purge(&db, keep).await.expect("purged"), 0, "at its last moment it is there");
    clock.advance(Duration::from_secs(1));
    assert_eq!(payments::purge(&db, keep).await.expect("purged"), 3);
    let left: Vec<String> =
        fetch_all!(&db, sqlx::query_scalar("SELECT event_id FROM webhook_inbox ORDER BY id")).expect("events");
    assert_eq!(left, ["evt_waits", "evt_young"]);
});
