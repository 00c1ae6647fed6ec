//! What becomes of jobs when processes die, stall or come back, on both databases and with real processes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use mintreu::{
    db::{Db, DbOptions},
    execute, fetch_all,
    jobs::{Handlers, JobId, WorkerId, admin},
    kernel::{Clock, IdSource, ManualClock, SystemClock, Time},
};

use crate::{
    child::{Meeting, Poison, Process, ProcessOptions},
    queue_scene::{Grouped, Hold, Scene, enqueue, enqueue_all},
    support::{Effect, Shop, ShopOptions, TestDb, count, create_effects, effects_once, eventually, jobs_in, settled},
};

const MOMENT: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(1);

fn named(name: &str) -> ProcessOptions<'_> {
    ProcessOptions { name, lease: LEASE, sole: false }
}

async fn open(test: &TestDb) -> (Db, tempfile::TempDir) {
    let db = test.open().await;
    create_effects(&db).await;
    (db, tempfile::tempdir().expect("a temporary directory"))
}

/// A worker of this process that does the same jobs as a [`Process`].
async fn worker_here(db: &Db, name: &str, lease: Duration) -> Shop {
    let mut options = ShopOptions::lease(lease);
    options.worker.name = name.to_owned();
    let handlers = Handlers::<()>::new(db.clone()).transactional::<Effect>().transactional::<Meeting>();
    Shop::start(db, handlers, || (), options).await
}

async fn appears(path: &Path) {
    eventually(&path.display().to_string(), async || path.exists()).await;
}

fn touch(path: &Path) {
    std::fs::write(path, "").expect("the message is written");
}

async fn meeting(db: &Db, directory: &Path) -> JobId {
    enqueue(db, [Meeting { directory: directory.to_owned() }]).await[0]
}

/// Stops a process where it does not hold the one write lock that SQLite has: that would stop everybody.
async fn stall(process: &Process, test: &TestDb) {
    let options = DbOptions { patience: Duration::from_millis(300), ..DbOptions::new(test.url()) };
    let observer = Db::open(&options, IdSource::new(Arc::new(SystemClock))).await.expect("opens");
    loop {
        process.signal("STOP");
        let touch = "UPDATE job_queues SET paused = paused";
        match observer.write(async |tx| execute!(tx, sqlx::query(touch))).await {
            Ok(_) => break,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        process.signal("CONT");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    observer.close().await;
}

/// Attempt and process of each effect.
async fn effects(db: &Db) -> Vec<(i64, i64)> {
    fetch_all!(db, sqlx::query_as("SELECT attempt, process FROM effects")).expect("answers")
}

on_both!(a_job_whose_worker_was_killed_runs_again_after_the_lease_with_one_effect, |test| async move {
    let (db, directory) = open(&test).await;
    let job = meeting(&db, directory.path()).await;
    let mut process = Process::start(&test.url(), directory.path(), &named("first"));
    appears(&directory.path().join("began-1")).await;
    process.kill_9();
    touch(&directory.path().join("go-2"));
    let shop = worker_here(&db, "second", LEASE).await;
    settled(&db).await;
    assert_eq!(effects(&db).await, [(2, i64::from(std::process::id()))], "once, in the second attempt");
    let view = admin::show(&db, job).await.expect("answers").expect("there");
    assert_eq!((view.state.as_str(), view.attempt), ("completed", 2));
    assert!(view.errors.expect("a history").contains("the worker died"));
    shop.close(MOMENT).await;
});

on_both!(a_worker_that_stalls_past_its_lease_cannot_commit_when_it_comes_back, |test| async move {
    let (db, directory) = open(&test).await;
    let job = meeting(&db, directory.path()).await;
    // Long enough that the one who is awake is never late itself: who comes back would take the job from it.
    let lease = 3 * LEASE;
    let process = Process::start(&test.url(), directory.path(), &ProcessOptions { lease, ..named("stalled") });
    appears(&directory.path().join("began-1")).await;
    stall(&process, &test).await;
    let shop = worker_here(&db, "awake", lease).await;
    appears(&directory.path().join("began-2")).await;
    assert_eq!(admin::show(&db, job).await.expect("answers").expect("there").attempt, 2, "claimed again");
    // The one that stalled comes back and gets as far as its commit, while the job is held by the other.
    touch(&directory.path().join("go-1"));
    process.signal("CONT");
    appears(&directory.path().join("committing-1")).await;
    process.stop().await;
    assert_eq!(effects(&db).await, [], "its effect is undone");
    touch(&directory.path().join("go-2"));
    settled(&db).await;
    assert_eq!(effects(&db).await, [(2, i64::from(std::process::id()))]);
    assert_eq!(jobs_in(&db, "completed").await, 1);
    shop.close(MOMENT).await;
});

on_both!(a_worker_that_stalled_is_a_worker_again_when_it_comes_back, |test| async move {
    let (db, directory) = open(&test).await;
    let process = Process::start(&test.url(), directory.path(), &named("stalled"));
    eventually("it is registered", async || count(&db, "SELECT COUNT(*) FROM job_workers").await == 1).await;
    stall(&process, &test).await;
    let shop = worker_here(&db, "awake", LEASE).await;
    let stalled = "SELECT COUNT(*) FROM job_workers WHERE name = 'stalled'";
    eventually("it is buried", async || count(&db, stalled).await == 0).await;
    shop.close(MOMENT).await;
    process.signal("CONT");
    enqueue(&db, [Effect::new("later")]).await;
    settled(&db).await;
    assert_eq!(effects(&db).await, [(1, i64::from(process.id()))]);
    eventually("it is registered again", async || count(&db, stalled).await == 1).await;
    process.stop().await;
});

on_both!(two_workers_with_one_name_do_each_job_once, |test| async move {
    let (db, directory) = open(&test).await;
    let names: Vec<_> = (0..400).map(|n| format!("{n:03}")).collect();
    let jobs: Vec<_> = names.iter().map(|name| Effect { millis: 10, ..Effect::new(name) }).collect();
    // Long enough that neither is late on SQLite, where two that write wait for each other.
    let lease = 5 * LEASE;
    let process = Process::start(&test.url(), directory.path(), &ProcessOptions { lease, ..named("twin") });
    let shop = worker_here(&db, "twin", lease).await;
    let twins = "SELECT COUNT(*) FROM job_workers WHERE name = 'twin'";
    eventually("both are registered", async || count(&db, twins).await == 2).await;
    for chunk in jobs.chunks(10) {
        enqueue_all(&db, chunk).await;
    }
    settled(&db).await;
    effects_once(&db, names).await;
    let stolen = count(&db, "SELECT COUNT(*) FROM effects WHERE attempt > 1").await;
    assert_eq!(stolen, 0, "neither took the other for dead");
    shop.close(MOMENT).await;
    process.stop().await;
});

on_both!(a_job_that_kills_its_process_is_dead_after_its_attempts_and_the_others_are_done, |test| async move {
    let (db, directory) = open(&test).await;
    let poison = enqueue(&db, [Poison]).await[0];
    let names: Vec<_> = (0..50).map(|n| format!("{n:03}")).collect();
    enqueue_all(&db, &names.iter().map(Effect::new).collect::<Vec<_>>()).await;
    let mut starts = 0;
    let began = Instant::now();
    let last = 'alive: loop {
        let mut process = Process::start(&test.url(), directory.path(), &ProcessOptions { sole: true, ..named("p") });
        starts += 1;
        loop {
            if jobs_in(&db, "completed").await == 50 && jobs_in(&db, "discarded").await == 1 {
                break 'alive process;
            }
            if process.ended().is_some() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(90), "not done after {starts} starts");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(starts, 4, "it took three processes with it");
    let view = admin::show(&db, poison).await.expect("answers").expect("there");
    assert_eq!((view.state.as_str(), view.attempt), ("discarded", 3));
    assert_eq!(view.errors.expect("a history").matches("the worker died").count(), 3);
    effects_once(&db, names).await;
    last.stop().await;
});

/// Numbers that differ from run to run, each below `limit`.
fn random(ids: &IdSource, limit: u64) -> u64 {
    ids.random() % limit
}

on_both!(processes_killed_at_random_moments_lose_no_job_and_repeat_no_effect, |test| async move {
    const JOBS: usize = 500;
    let (db, directory) = open(&test).await;
    let names: Vec<_> = (0..JOBS).map(|n| format!("{n:03}")).collect();
    let group = |n: usize| n.is_multiple_of(10).then(|| format!("group {}", n % 3));
    let unique = |n: usize| n.is_multiple_of(7).then(|| format!("key {n}"));
    let jobs: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| Effect { millis: 2, group: group(n), unique: unique(n), ..Effect::new(name) })
        .collect();
    enqueue_all(&db, &jobs).await;
    let ids = IdSource::new(Arc::new(SystemClock));
    let mut process = Process::start(&test.url(), directory.path(), &named("victim"));
    for round in 1..=5 {
        let reached = i64::from(round) * 60;
        eventually("some are done", async || jobs_in(&db, "completed").await >= reached).await;
        tokio::time::sleep(Duration::from_micros(random(&ids, 20_000))).await;
        process.kill_9();
        // Now and then the next one knows that it is alone and need not wait for the lease.
        let options = ProcessOptions { sole: random(&ids, 2) == 0, ..named("victim") };
        process = Process::start(&test.url(), directory.path(), &options);
    }
    settled(&db).await;
    effects_once(&db, names).await;
    assert_eq!(jobs_in(&db, "completed").await, i64::try_from(JOBS).expect("few"));
    assert_eq!(count(&db, "SELECT COUNT(*) FROM job_keys").await, 0, "every key is free");
    process.stop().await;
});

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)))
}

const DAY: Duration = Duration::from_hours(24);

on_both!(a_clock_that_jumps_by_a_day_ends_no_lease_and_runs_no_job_twice, |test| async move {
    // Two workers that watch each other, under one clock that jumps for both.
    let clock = clock();
    let (db, other) = (test.open_at(clock.clone()).await, test.open_at(clock.clone()).await);
    create_effects(&db).await;
    let scene = Scene::new();
    // Enough shards that no job waits for another's.
    let options = || ShopOptions { shards: 256, ..ShopOptions::lease(LEASE) };
    let one = scene.open(&db, options()).await;
    let two = scene.open(&other, options()).await;
    let held: Vec<_> = (0..4).map(|n| Hold::new(format!("{n}"))).collect();
    let held = enqueue(&db, held).await;
    eventually("they run", async || scene.count("started") >= 2 && jobs_in(&db, "running").await == 4).await;
    let before: Vec<WorkerId> =
        fetch_all!(db, sqlx::query_scalar("SELECT id FROM job_workers ORDER BY id")).expect("answers");
    for jump in ["forwards", "backwards", "backwards", "forwards"] {
        match jump {
            "forwards" => clock.advance(DAY),
            _ => clock.set(clock.now() - DAY),
        }
        // Long enough for a lease to end, were it measured by this clock or not renewed.
        let beats = "SELECT CAST(SUM(beat) AS BIGINT) FROM job_workers";
        let beat = count(&db, beats).await;
        eventually("both beat on", async || count(&db, beats).await >= beat + 10).await;
        let name = format!("{jump} {}", clock.now());
        enqueue(&db, [Effect::new(&name)]).await;
    }
    let after: Vec<WorkerId> =
        fetch_all!(db, sqlx::query_scalar("SELECT id FROM job_workers ORDER BY id")).expect("answers");
    assert_eq!(before, after, "nobody was buried");
    scene.go.add_permits(100);
    settled(&db).await;
    assert_eq!(scene.count("started"), 4, "each ran once");
    for job in held {
        assert_eq!(admin::show(&db, job).await.expect("answers").expect("there").attempt, 1);
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM effects").await, 4, "the new ones ran too");
    one.close(MOMENT).await;
    two.close(MOMENT).await;
});

on_both!(scheduled_jobs_run_at_their_time_however_the_clock_jumped_before, |test| async move {
    let clock = clock();
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let schedule = async |name: &str, after: Duration| {
        let (job, at) = (Effect::new(name), clock.now() + after);
        db.write(async |tx| tx.enqueue_at(&job, at).await).await.expect("enqueues");
    };
    schedule("in an hour", Duration::from_hours(1)).await;
    clock.advance(DAY);
    settled(&db).await;
    schedule("in a day", DAY).await;
    clock.set(clock.now() - DAY);
    schedule("in an hour, a day ago", Duration::from_hours(1)).await;
    enqueue(&db, [Effect::new("now")]).await;
    eventually("the one that is due runs", async || jobs_in(&db, "completed").await == 2).await;
    clock.advance(Duration::from_hours(1));
    eventually("an hour later the next", async || jobs_in(&db, "completed").await == 3).await;
    assert_eq!(jobs_in(&db, "scheduled").await, 1);
    clock.advance(2 * DAY);
    settled(&db).await;
    let names = ["in an hour", "in a day", "in an hour, a day ago", "now"];
    effects_once(&db, names.map(String::from)).await;
    shop.close(MOMENT).await;
});

on_both!(groups_go_on_when_the_worker_of_their_running_job_was_killed, |test| async move {
    let (db, directory) = open(&test).await;
    let grouped = |n: u32| Effect { group: Some("one".into()), millis: 5, ..Effect::new(format!("{n:02}")) };
    enqueue_all(&db, &(0..40).map(grouped).collect::<Vec<_>>()).await;
    let mut process = Process::start(&test.url(), directory.path(), &named("victim"));
    eventually("some are done", async || jobs_in(&db, "completed").await >= 5).await;
    process.kill_9();
    let shop = worker_here(&db, "heir", LEASE).await;
    settled(&db).await;
    effects_once(&db, (0..40).map(|n| format!("{n:02}"))).await;
    shop.close(MOMENT).await;
    // Of another kind and process: the group's rule holds across kinds as well.
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    enqueue(&db, (0..20).map(|number| Grouped { group: "one".into(), number })).await;
    settled(&db).await;
    assert_eq!((scene.count("one"), scene.worst_overlap()), (20, 1));
    shop.close(MOMENT).await;
});
