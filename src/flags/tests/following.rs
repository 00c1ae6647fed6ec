use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::{audit::tests::scratch, kernel::ManualClock};

scratch::on_both!(
    a_watcher_sees_the_change,
    another_registry_sees_the_change_by_its_poll,
    a_running_registry_follows_by_itself,
    what_is_known_is_served_while_the_database_is_away,
);

async fn a_watcher_sees_the_change(db: Db, _: Arc<ManualClock>) {
    let registry = registry(&db).await;
    let mut watch = registry.watch();
    assert_eq!(watch.borrow_and_update().killed().count(), 0);
    registry.refresh().await.expect("reads");
    assert!(!watch.has_changed().expect("open"), "reading the same again is no news");
    registry.kill(Switch::Downloads, &by("x")).await.expect("kills");
    watch.changed().await.expect("open");
    assert_eq!(watch.borrow_and_update().killed().collect::<Vec<_>>(), [Switch::Downloads]);
}

async fn another_registry_sees_the_change_by_its_poll(db: Db, _: Arc<ManualClock>) {
    let (here, there) = (registry(&db).await, registry(&db).await);
    here.kill(Switch::Referrals, &by("x")).await.expect("kills");
    assert!(there.is_on(Switch::Referrals), "not yet");
    there.poll().await.expect("polls");
    assert!(!there.is_on(Switch::Referrals));
    assert_eq!(here.snapshot().revision(), there.snapshot().revision());
}

async fn a_running_registry_follows_by_itself(db: Db, _: Arc<ManualClock>) {
    let (here, there) = (registry(&db).await, registry(&db).await);
    let stop = CancellationToken::new();
    let running = tokio::spawn(there.clone().run(stop.clone()));
    let mut watch = there.watch();
    for killed in [true, false] {
        if killed {
            here.kill(Switch::Licensing, &by("x")).await.expect("kills");
        } else {
            here.restore(Switch::Licensing, &by("y")).await.expect("restores");
        }
        let seen = watch.wait_for(|snapshot| snapshot.switch(Switch::Licensing).killed == killed);
        let _ = tokio::time::timeout(Duration::from_secs(20), seen).await.expect("in time").expect("open");
        assert_eq!(there.is_on(Switch::Licensing), !killed);
    }
    stop.cancel();
    running.await.expect("stops");
}

async fn what_is_known_is_served_while_the_database_is_away(db: Db, clock: Arc<ManualClock>) {
    let registry = registry(&db).await;
    registry.kill(Switch::Support, &by("x")).await.expect("kills");
    assert_eq!(registry.age(), Duration::ZERO);
    db.close().await;
    clock.advance(Duration::from_secs(30));
    registry.poll().await.expect_err("away");
    registry.kill(Switch::Ai, &by("x")).await.expect_err("a change that is not stored is not made");
    assert!(!registry.is_on(Switch::Support) && registry.is_on(Switch::Ai));
    assert!(registry.bool(&API_KEYS, &Context::anonymous()));
    assert_eq!(registry.age(), Duration::from_secs(30), "and its age shows");
}

/// What the command line does to the file of a running server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_through_another_connection_to_the_same_file_is_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite://{}/test.db", dir.path().display());
    let ((server, _), (command, _)) = (scratch::open(&url).await, scratch::open(&url).await);
    let (serving, tool) = (registry(&server).await, registry(&command).await);
    tool.kill(Switch::Payments, &by("x")).await.expect("kills");
    command.close().await;
    serving.poll().await.expect("polls");
    assert!(!serving.is_on(Switch::Payments));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_message_arrives_without_the_poll() {
    scratch::postgres(async |db, _| {
        let here = registry(&db).await;
        let never = RegistryOptions { poll: Duration::from_hours(24), ..RegistryOptions::default() };
        let there = Registry::load(db.clone(), never).await.expect("loads");
        let stop = CancellationToken::new();
        let running = tokio::spawn(there.clone().run(stop.clone()));
        let mut watch = there.watch();
        // Until the other one listens there is nothing to hear.
        let flips = async {
            loop {
                here.kill(Switch::Ai, &by("x")).await.expect("kills");
                here.restore(Switch::Ai, &by("y")).await.expect("restores");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = flips => {}
            heard = tokio::time::timeout(Duration::from_secs(20), watch.changed()) => {
                heard.expect("in time").expect("open");
            }
        }
        stop.cancel();
        running.await.expect("stops");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_is_obeyed_although_the_rest_cannot_be_read_again() {
    scratch::sqlite(async |db, _| {
        let registry = registry(&db).await;
        db.write(async |tx| crate::execute!(tx, sqlx::query("ALTER TABLE flags RENAME TO flags_away")))
            .await
            .expect("hidden");
        registry.refresh().await.expect_err("there is no table to read");
        registry.kill(Switch::Payments, &by("x")).await.expect("is committed all the same");
        assert!(!registry.is_on(Switch::Payments));
        assert_eq!(registry.watch().borrow().killed().collect::<Vec<_>>(), [Switch::Payments]);
    })
    .await;
}
