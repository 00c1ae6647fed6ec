//! Validation from memory: never old, wherever the change was made, and alive while the database is away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mintreu::{
    accounts::Role,
    db::{Db, DbError},
    execute,
    kernel::{Clock, ManualClock, Time},
    licenses::{
        self, CacheOptions, Change, Code, KeyHash, LicenseCache, LicenseView, Question, Step, Unavailable, Verdict,
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{
    Person, TestDb, eventually, sign_in,
    sold::{Sold, key, key_maker},
};

/// A replica: its own connections, its own memory, its own follower.
struct Replica {
    db: Db,
    cache: LicenseCache,
    stop: CancellationToken,
    _ends: DropGuard,
}

impl Replica {
    async fn start(db: &TestDb, options: CacheOptions) -> Self {
        Self::over(db.open().await, options).await
    }

    async fn over(db: Db, options: CacheOptions) -> Self {
        let cache = LicenseCache::new(db.clone(), key_maker(), options);
        let stop = CancellationToken::new();
        let (follower, signals, token) = (cache.clone(), db.clone(), stop.clone());
        tokio::spawn(async move { follower.follow(token).await });
        let token = stop.clone();
        tokio::spawn(async move { signals.signals().run(&signals, token).await });
        eventually("the follower is there", async || cache.age().is_some()).await;
        Self { db, cache, _ends: stop.clone().drop_guard(), stop }
    }

    /// Waits until memory has heard of all that was committed before.
    async fn caught_up(&self) {
        let committed = Instant::now();
        eventually("it has caught up", async || {
            // In this order: what was looked at before the commit is never taken for later.
            let since = committed.elapsed();
            self.cache.age().is_some_and(|age| age < since)
        })
        .await;
    }

    async fn ask(&self, hash: KeyHash) -> Verdict {
        self.cache.validate(hash, &Question::default()).await.expect("an answer")
    }
}

async fn sold(db: &Db) -> (Person, LicenseView, KeyHash) {
    let owner = sign_in(db, "owner@example.com", Role::Customer).await;
    let license = Sold::to(db, &owner).await.license(db).await;
    let hash = key_maker().recognise(key(&license)).expect("ours");
    (owner, license, hash)
}

async fn step(db: &Db, id: licenses::LicenseId, step: Step) {
    db.write(async |tx| licenses::take_step(tx, id, step, &Change::system().because("a test")).await)
        .await
        .expect("the step is taken");
}

on_both!(a_change_elsewhere_is_known_while_validations_go_on_and_never_comes_back, |db| async move {
    let (here, there) =
        (Replica::start(&db, CacheOptions::default()).await, Replica::start(&db, CacheOptions::default()).await);
    let (_, license, hash) = sold(&there.db).await;
    let here = Arc::new(here);
    for _ in 0..5 {
        eventually("it is valid", async || here.ask(hash).await.code == Code::Valid).await;
        let (revoked, stop, valid_after) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // Many readers, so that reads are under way whenever the change comes.
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (here, revoked, stop, after) = (here.clone(), revoked.clone(), stop.clone(), valid_after.clone());
                tokio::spawn(async move {
                    let mut ended = false;
                    while !stop.load(Ordering::SeqCst) {
                        let was_revoked = revoked.load(Ordering::SeqCst);
                        let code = here.ask(hash).await.code;
                        match code {
                            Code::Valid if ended && was_revoked => {
                                after.fetch_add(1, Ordering::SeqCst);
                            }
                            Code::Suspended => ended = true,
                            Code::Valid => {}
                            other => panic!("{other}"),
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        step(&there.db, license.id, Step::Suspend).await;
        revoked.store(true, Ordering::SeqCst);
        eventually("it is known here", async || here.ask(hash).await.code == Code::Suspended).await;
        for _ in 0..200 {
            assert_eq!(here.ask(hash).await.code, Code::Suspended, "it must not come back");
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.expect("a reader");
        }
        assert_eq!(valid_after.load(Ordering::SeqCst), 0, "it came back");
        step(&there.db, license.id, Step::Resume).await;
    }
});

on_both!(memory_answers_while_nothing_changes, |db| async move {
    let here = Replica::start(&db, CacheOptions::default()).await;
    let (_, license, hash) = sold(&here.db).await;
    assert!(here.cache.is_empty());
    // Behind the follower's back: nothing tells of it.
    let set = async |status: &'static str| {
        let change = async |tx: &mut mintreu::db::Tx| {
            let text = "UPDATE licenses SET status = $2 WHERE id = $1";
            execute!(tx, sqlx::query(text).bind(license.id).bind(status))
        };
        here.db.write(change).await.expect("changed");
    };
    // The follower tells of the issue a moment after it, which forgets what was read before; and on a busy machine it may
    // be late, when the database is read.
    eventually("memory goes on answering", async || {
        here.cache.forget(hash);
        let verdict = here.ask(hash).await;
        assert_eq!((verdict.code, verdict.stale), (Code::Valid, false));
        set("suspended").await;
        let from_memory = here.ask(hash).await.code == Code::Valid && here.cache.len() == 1;
        if !from_memory {
            set("active").await;
        }
        from_memory
    })
    .await;
    here.cache.forget(hash);
    assert_eq!(here.ask(hash).await.code, Code::Suspended);
});

on_both!(without_a_follower_every_validation_reads_the_database, |db| async move {
    let db = db.open().await;
    let (_, license, hash) = sold(&db).await;
    let cache = LicenseCache::new(db.clone(), key_maker(), CacheOptions::default());
    let ask = async || cache.validate(hash, &Question::default()).await.expect("an answer").code;
    assert_eq!(ask().await, Code::Valid);
    step(&db, license.id, Step::Revoke).await;
    assert_eq!(ask().await, Code::Revoked);
});

on_both!(while_the_database_is_away_memory_answers_and_says_so, |db| async move {
    let here = Replica::start(&db, CacheOptions::default()).await;
    let (_, _, hash) = sold(&here.db).await;
    // The sale is a change, too: what is kept before it is heard of is forgotten.
    here.caught_up().await;
    eventually("it is kept", async || here.ask(hash).await.code == Code::Valid && here.cache.len() == 1).await;
    here.db.close().await;
    eventually("it is answered from memory, and says so", async || {
        let verdict = here.ask(hash).await;
        assert_eq!(verdict.code, Code::Valid);
        verdict.stale
    })
    .await;
    let unknown = KeyHash::parse(&"0".repeat(48)).expect("a hash");
    let answer = here.cache.validate(unknown, &Question::default()).await.map(|verdict| verdict.code);
    assert_eq!(answer, Err(Unavailable), "what memory does not know nobody knows");
    here.stop.cancel();
});

on_both!(after_the_grace_nothing_is_answered, |db| async move {
    let options = CacheOptions { stale_grace: Duration::ZERO, ..CacheOptions::default() };
    let here = Replica::start(&db, options).await;
    let (_, _, hash) = sold(&here.db).await;
    // The sale is a change, too: what is kept before it is heard of is forgotten.
    here.caught_up().await;
    eventually("it is kept", async || here.ask(hash).await.code == Code::Valid && here.cache.len() == 1).await;
    here.db.close().await;
    eventually("the grace is over", async || {
        here.cache.validate(hash, &Question::default()).await.map(|verdict| verdict.code) == Err(Unavailable)
    })
    .await;
});

on_both!(the_clock_ends_what_is_in_memory, |db| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let here = Replica::over(db.open_at(clock.clone()).await, CacheOptions::default()).await;
    let owner = sign_in(&here.db, "owner@example.com", Role::Customer).await;
    let end = clock.now() + Duration::from_hours(1);
    let license = Sold::to(&here.db, &owner).await.until(end).license(&here.db).await;
    let hash = key_maker().recognise(key(&license)).expect("ours");
    eventually("it is kept", async || here.ask(hash).await.code == Code::Valid && here.cache.len() == 1).await;
    clock.set(end - Duration::from_micros(1));
    assert_eq!(here.ask(hash).await.code, Code::Valid);
    clock.set(end);
    let verdict = here.ask(hash).await;
    assert_eq!(verdict.code, Code::Expired);
    let shown = verdict.license.expect("a licence").shown(clock.now()).get().to_owned();
    assert!(shown.contains(r#""status":"expired""#), "{shown}");
});

/// On PostgreSQL numbers are not taken in the order of commits: the change that comes late must be seen all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_commits_after_later_ones_is_not_missed() {
    let Some(db) = TestDb::postgres().await else { return };
    let (here, there) = (Replica::start(&db, CacheOptions::default()).await, db.open().await);
    let (_, license, hash) = sold(&there).await;
    let other = {
        let buyer = sign_in(&there, "other@example.com", Role::Customer).await;
        Sold::to(&there, &buyer).await.license(&there).await
    };
    let (started, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let late = {
        let (there, started, go, id) = (there.clone(), started.clone(), go.clone(), license.id);
        tokio::spawn(async move {
            there
                .write(async |tx| {
                    let now = tx.now();
                    // The row with its number is written now, and seen only when the transaction ends.
                    execute!(tx, sqlx::query("UPDATE licenses SET status = 'suspended' WHERE id = $1").bind(id))?;
                    execute!(
                        tx,
                        sqlx::query(
                            "INSERT INTO license_changes (license_id, key_hash, created_at) VALUES ($1, $2, $3)"
                        )
                        .bind(id)
                        .bind(hash.to_text())
                        .bind(now)
                    )?;
                    started.notify_one();
                    go.notified().await;
                    Ok::<_, DbError>(())
                })
                .await
        })
    };
    started.notified().await;
    // A later transaction overtakes it, and the follower reads that.
    step(&there, other.id, Step::Suspend).await;
    let other_hash = key_maker().recognise(key(&other)).expect("ours");
    eventually("the later change is known", async || here.ask(other_hash).await.code == Code::Suspended).await;
    eventually("the licence is kept", async || {
        here.ask(hash).await.code == Code::Valid
            && here.ask(other_hash).await.code == Code::Suspended
            && here.cache.len() == 2
    })
    .await;
    go.notify_one();
    late.await.expect("it runs").expect("it commits");
    eventually("the earlier change is known", async || here.ask(hash).await.code == Code::Suspended).await;
}
