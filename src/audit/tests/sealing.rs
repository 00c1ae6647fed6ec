use std::sync::Arc;

use sqlx::query;

use super::{
    scratch::{keyring, on_both},
    *,
};
use crate::{execute, fetch_all, kernel::ManualClock};

on_both!(
    a_sealed_trail_is_whole,
    an_entry_of_a_transaction_that_failed_is_not_there,
    two_sealers_at_once_give_every_place_once,
    an_entry_that_commits_late_is_sealed_later_and_none_is_skipped,
    more_than_a_batch_is_sealed_at_once,
    marks_whose_entries_were_deleted_hold_up_nobody,
    after_a_rotation_the_chain_goes_on_and_old_entries_still_verify,
    the_service_seals_what_waits_and_stops_when_told,
);

async fn a_sealed_trail_is_whole(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    sealed(&db, &keys, 5).await;
    append(&db, 2).await;
    let report = verify(&db, &keys, None).await.expect("verifies");
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.verified, report.unsealed, report.erased), (5, 2, 0));
    assert_eq!(seal(&db, &keys).await.expect("sealed"), 2);
    assert_eq!(verify(&db, &keys, report.head.as_ref()).await.expect("verifies").verified, 7);
}

async fn an_entry_of_a_transaction_that_failed_is_not_there(db: Db, _: Arc<ManualClock>) {
    let refused: Result<(), DbError> = db
        .write(async |tx| {
            tx.audit(Entry::new(Actor::system("test"), "thing.made", "thing", "1"));
            Err(DbError::Check("refused".into()))
        })
        .await;
    refused.expect_err("refused");
    assert_eq!(seal(&db, &keyring(&[1])).await.expect("sealed"), 0);
}

async fn two_sealers_at_once_give_every_place_once(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    for _ in 0..5 {
        append(&db, 20).await;
        let sealers = (0..4).map(|_| {
            let (db, keys) = (db.clone(), keys.clone());
            tokio::spawn(async move { seal(&db, &keys).await.expect("sealed") })
        });
        let counts = futures::future::join_all(sealers).await;
        assert_eq!(counts.into_iter().map(|count| count.expect("no panic")).sum::<u64>(), 20);
    }
    let report = verify(&db, &keys, None).await.expect("verifies");
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.verified, 100);
}

async fn an_entry_that_commits_late_is_sealed_later_and_none_is_skipped(db: Db, clock: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    // The older the id, the later it arrives.
    for step in 0..3_u64 {
        clock.set(clock.now_minus(step));
        let early = crate::kernel::IdSource::seeded(clock.clone(), step).next_uuid();
        db.write(async |tx| {
            tx.audit(Entry::new(Actor::system("test"), "thing.made", "thing", step.to_string()));
            Ok::<_, DbError>(())
        })
        .await
        .expect("appended");
        for rename in [
            "UPDATE audit_entries SET id = $1 WHERE id IN (SELECT id FROM audit_unsealed)",
            "UPDATE audit_unsealed SET id = $1",
        ] {
            db.write(async |tx| execute!(tx, query(rename).bind(early))).await.expect("has an older id");
        }
        assert_eq!(seal(&db, &keys).await.expect("sealed"), 1);
    }
    let by_id: Vec<(String,)> =
        fetch_all!(db, sqlx::query_as("SELECT object_id FROM audit_entries ORDER BY id")).expect("reads");
    assert_eq!(by_id, [("2".to_owned(),), ("1".to_owned(),), ("0".to_owned(),)]);
    let mut out = Vec::new();
    export(&db, &keys, Disclosure::Sealed, &Filter::default(), &mut out).await.expect("exports");
    let chained: Vec<_> = String::from_utf8(out).expect("text").lines().filter_map(object_of).collect();
    assert_eq!(chained, ["0", "1", "2"]);
    assert_eq!(problem(&db, &keys).await, None);
}

fn object_of(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    line["object_id"].as_str().map(str::to_owned)
}

async fn more_than_a_batch_is_sealed_at_once(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    db.write(async |tx| {
        for n in 0..2_345 {
            tx.audit(Entry::new(Actor::provider("stripe"), "payment.received", "payment", n.to_string()));
        }
        Ok::<_, DbError>(())
    })
    .await
    .expect("appended");
    assert_eq!(seal(&db, &keys).await.expect("sealed"), 2_345);
    let report = verify(&db, &keys, None).await.expect("verifies");
    assert_eq!((report.verified, report.problem), (2_345, None));
}

async fn marks_whose_entries_were_deleted_hold_up_nobody(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    // More than a batch of them, and all are older than what comes.
    db.write(async |tx| {
        for n in 0..1_100 {
            tx.audit(Entry::new(Actor::provider("stripe"), "payment.received", "payment", n.to_string()));
        }
        Ok::<_, DbError>(())
    })
    .await
    .expect("appended");
    db.write(async |tx| execute!(tx, query("DELETE FROM audit_entries"))).await.expect("tampered");
    append(&db, 3).await;
    assert_eq!(seal(&db, &keys).await.expect("sealed"), 3);
    assert!(!verify(&db, &keys, None).await.expect("verifies").is_whole(), "the deletion is found");
}

async fn after_a_rotation_the_chain_goes_on_and_old_entries_still_verify(db: Db, _: Arc<ManualClock>) {
    sealed(&db, &keyring(&[1]), 3).await;
    let rotated = keyring(&[2, 1]);
    sealed(&db, &rotated, 3).await;
    assert_eq!(verify(&db, &rotated, None).await.expect("verifies").verified, 6);
    let without_old = problem(&db, &keyring(&[2])).await;
    assert!(matches!(without_old, Some(Problem::UnknownKey { sequence: 1, .. })), "{without_old:?}");
    let without_new = problem(&db, &keyring(&[1])).await;
    assert!(matches!(without_new, Some(Problem::UnknownKey { sequence: 4, .. })), "{without_new:?}");
}

async fn the_service_seals_what_waits_and_stops_when_told(db: Db, _: Arc<ManualClock>) {
    let keys = keyring(&[1]);
    let stop = tokio_util::sync::CancellationToken::new();
    let service = tokio::spawn(Sealer::new(db.clone(), &keys, SealerOptions::default()).run(stop.clone()));
    append(&db, 3).await;
    stop.cancel();
    service.await.expect("no panic");
    assert_eq!(verify(&db, &keys, None).await.expect("verifies").verified, 3);
}

impl ManualClock {
    fn now_minus(&self, hours: u64) -> crate::kernel::Time {
        crate::kernel::Clock::now(self) - std::time::Duration::from_secs(3600 * hours)
    }
}
