//! What the queue promises, the same on SQLite and PostgreSQL, with jobs done by real actors.

use std::{sync::Arc, time::Duration};

use mintreu::{
    db::{Db, DbError},
    execute, fetch_all, fetch_one,
    jobs::{
        DomainEvent, Enqueued, Job, JobId,
        admin::{self, Cancellation, JobFilter, JobState},
        retention::{self, Retention},
    },
    kernel::{Clock, ManualClock, Time, trace},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    queue_scene::{
        Bomb, Dozer, Flaky, Hold, Say, SayFirst, SayLast, Scene, Sleeper, Snoozer, Tracer, enqueue, enqueue_all, names,
        open,
    },
    support::{Effect, QUEUE, ShopOptions, count, create_effects, effects_once, eventually, jobs_in, settled, soon},
};

/// So many that hardly a job meets another's shard, and waits for it. Where it could, the tests let two be late.
const SHARDS: usize = 1024;
const MOMENT: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Refused {
    Db,
    OnPurpose,
}

impl From<DbError> for Refused {
    fn from(_: DbError) -> Self {
        Self::Db
    }
}

#[derive(Serialize)]
struct Opened {
    name: &'static str,
}

impl DomainEvent for Opened {
    const NAME: &'static str = "test.opened";
}

/// Attempts begun and the errors noted, oldest first.
async fn history(db: &Db, id: JobId) -> (String, i32, Vec<String>) {
    let job = admin::show(db, id).await.expect("answers").expect("the job is there");
    let errors: Vec<serde_json::Value> = serde_json::from_str(job.errors.as_deref().unwrap_or("[]")).expect("a list");
    let errors = errors.iter().map(|entry| entry["error"].as_str().expect("a text").to_owned()).collect();
    (job.state, job.attempt, errors)
}

async fn state(db: &Db, id: JobId) -> String {
    history(db, id).await.0
}

on_both!(a_rollback_leaves_no_job_no_event_and_no_key, |test| async move {
    let db = open(&test).await;
    let work = Effect { unique: Some("once".into()), ..Effect::new("work") };
    let refused = db
        .write(async |tx| {
            tx.enqueue(&work).await?;
            tx.enqueue_at(&work, tx.now() + Duration::from_secs(1)).await?;
            tx.emit(&Opened { name: "shop" })?;
            Err::<(), _>(Refused::OnPurpose)
        })
        .await;
    assert!(matches!(refused, Err(Refused::OnPurpose)));
    for table in ["SELECT COUNT(*) FROM jobs", "SELECT COUNT(*) FROM domain_events", "SELECT COUNT(*) FROM job_keys"] {
        assert_eq!(count(&db, table).await, 0, "{table}");
    }
    db.write(async |tx| {
        tx.enqueue(&work).await?;
        tx.emit(&Opened { name: "shop" })
    })
    .await
    .expect("commits");
    let event: (String, String) =
        fetch_one!(db, sqlx::query_as("SELECT name, payload FROM domain_events")).expect("the event is there");
    assert_eq!(event, ("test.opened".to_owned(), r#"{"name":"shop"}"#.to_owned()));
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs").await, 1);
});

on_both!(jobs_start_by_priority_and_then_by_age, |test| async move {
    let db = open(&test).await;
    enqueue(&db, names("last ", 3).into_iter().map(SayLast)).await;
    enqueue(&db, names("middle ", 3).into_iter().map(Say)).await;
    enqueue(&db, names("first ", 3).into_iter().map(SayFirst)).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions { concurrency: 4, shards: 1, ..ShopOptions::default() }).await;
    settled(&db).await;
    let wanted: Vec<_> = ["first ", "middle ", "last "].iter().flat_map(|prefix| names(prefix, 3)).collect();
    assert_eq!(scene.events(), wanted);
    shop.close(MOMENT).await;
});

on_both!(a_scheduled_job_waits_for_its_time_and_not_longer, |test| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let hour = Duration::from_hours(1);
    let later = Effect::new("later");
    let at = clock.now() + hour;
    let later = db.write(async |tx| tx.enqueue_at(&later, at).await).await.expect("enqueues").id();
    enqueue(&db, [Effect::new("now")]).await;
    eventually("the one that is due runs", async || jobs_in(&db, "completed").await == 1).await;
    clock.set(at - Duration::from_micros(1));
    enqueue(&db, [Effect::new("almost")]).await;
    eventually("the one that is due runs", async || jobs_in(&db, "completed").await == 2).await;
    assert_eq!(state(&db, later).await, "scheduled", "a microsecond is missing");
    clock.advance(Duration::from_micros(1));
    settled(&db).await;
    effects_once(&db, ["now", "almost", "later"].map(String::from)).await;
    shop.close(MOMENT).await;
});

on_both!(ten_thousand_duplicates_from_64_tasks_make_one_job, |test| async move {
    let db = open(&test).await;
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for n in (task..10_000).step_by(64) {
                    let work = Effect { unique: Some("the one".into()), ..Effect::new(format!("{n}")) };
                    answers.push(db.write(async |tx| tx.enqueue(&work).await).await.expect("enqueues"));
                }
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.expect("no panic"));
    }
    assert_eq!(answers.len(), 10_000);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Enqueued::New(_))).count(), 1);
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()), "everyone is told of the same job");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs").await, 1);
});

async fn enqueue_once<J: Job>(db: &Db, job: &J) -> Enqueued {
    db.write(async |tx| tx.enqueue(job).await).await.expect("enqueues")
}

on_both!(a_unique_key_is_free_again_once_its_job_has_ended_however_it_ended, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let keyed = |name: &str| Hold { unique: Some("key".into()), ..Hold::new(name) };

    let completed = enqueue_once(&db, &keyed("completed")).await;
    assert!(matches!(completed, Enqueued::New(_)));
    eventually("it runs", async || scene.has("started completed 1")).await;
    assert_eq!(enqueue_once(&db, &keyed("no")).await, Enqueued::Duplicate(completed.id()), "while it runs");
    scene.go.add_permits(1);
    settled(&db).await;

    let cancelled = enqueue_once(&db, &keyed("stuck cancelled")).await;
    assert!(matches!(cancelled, Enqueued::New(_)), "after completion");
    eventually("it runs", async || scene.has("started stuck cancelled 1")).await;
    let done = db.write(async |tx| admin::cancel(tx, cancelled.id()).await).await.expect("answers");
    assert_eq!(done, Cancellation::Requested);
    settled(&db).await;
    assert_eq!(state(&db, cancelled.id()).await, "cancelled");

    // Effect and Hold share the key: what counts is the key alone.
    let undecodable = db
        .write(async |tx| tx.enqueue(&Misread { unique: "key".into(), failures: "none".into() }).await)
        .await
        .expect("enqueues");
    assert!(matches!(undecodable, Enqueued::New(_)), "after a cancellation");
    settled(&db).await;
    assert_eq!(state(&db, undecodable.id()).await, "discarded");

    let waiting = keyed("waiting");
    let at = db.now() + Duration::from_hours(1);
    let waiting = db.write(async |tx| tx.enqueue_at(&waiting, at).await).await.expect("enqueues");
    assert!(matches!(waiting, Enqueued::New(_)), "after its death");
    assert_eq!(enqueue_once(&db, &keyed("no")).await, Enqueued::Duplicate(waiting.id()), "while it is scheduled");
    let done = db.write(async |tx| admin::cancel(tx, waiting.id()).await).await.expect("answers");
    assert_eq!(done, Cancellation::Cancelled);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM job_keys").await, 0);
    shop.close(MOMENT).await;
});

/// Looks like a [`Flaky`] in the database but cannot be read as one.
#[derive(Serialize, Deserialize)]
struct Misread {
    unique: String,
    failures: String,
}

impl Job for Misread {
    const KIND: &'static str = Flaky::KIND;
    const QUEUE: &'static str = QUEUE;
    fn unique_key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.unique.as_str().into())
    }
}

/// What a claim by another worker leaves.
async fn claimed_by_another(db: &Db, job: JobId) {
    let other = db.ids().next_uuid();
    db.write(async |tx| {
        let now = tx.now();
        let register = "INSERT INTO job_workers (id, name, beat, started_at, seen_at) VALUES ($1, 'other', 0, $2, $2)";
        execute!(tx, sqlx::query(register).bind(other).bind(now))?;
        let claim = "UPDATE jobs SET token = token + 1, worker_id = $2 WHERE id = $1 AND state = 'running'";
        execute!(tx, sqlx::query(claim).bind(job).bind(other))
    })
    .await
    .expect("claimed");
}

on_both!(an_outcome_that_comes_too_late_frees_no_key_and_ends_no_job, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let keyed = Hold { unique: Some("key".into()), ..Hold::new("late") };
    let job = enqueue_once(&db, &keyed).await.id();
    eventually("it runs", async || scene.has("started late 1")).await;
    claimed_by_another(&db, job).await;
    scene.go.add_permits(1);
    eventually("the first attempt ends", async || scene.has("finished late")).await;
    // Closing records what is left to record.
    shop.close(MOMENT).await;
    assert_eq!(state(&db, job).await, "running", "it belongs to the other worker");
    assert_eq!(enqueue_once(&db, &keyed).await, Enqueued::Duplicate(job), "and its key with it");
});

on_both!(a_failed_job_is_tried_again_until_it_is_dead_and_tells_why, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let saved = Flaky { name: "saved".into(), failures: 2 };
    let lost = Flaky { name: "lost".into(), failures: 9 };
    let ids = enqueue(&db, [saved, lost]).await;
    settled(&db).await;
    let errors = |of: i32, count: i32| (1..=count).map(|n| format!("failure {n} of {of}")).collect::<Vec<_>>();
    assert_eq!(history(&db, ids[0]).await, ("completed".into(), 3, errors(2, 2)));
    assert_eq!(history(&db, ids[1]).await, ("discarded".into(), 3, errors(9, 3)));
    effects_once(&db, ["saved".to_owned()]).await;
    shop.close(MOMENT).await;
});

on_both!(a_failed_job_waits_before_it_is_tried_again, |test| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let job = enqueue(&db, [Flaky { name: "slow".into(), failures: 1 }]).await[0];
    eventually("it fails", async || state(&db, job).await == "retryable").await;
    let view = admin::show(&db, job).await.expect("answers").expect("there");
    assert!(view.run_at <= clock.now() + Duration::from_millis(5), "no later than its policy says");
    clock.advance(Duration::from_millis(5));
    settled(&db).await;
    assert_eq!(scene.events(), ["slow 1", "slow 2"]);
    shop.close(MOMENT).await;
});

on_both!(a_snooze_spends_no_attempt, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let job = enqueue(&db, [Snoozer]).await[0];
    settled(&db).await;
    assert_eq!(scene.events(), vec!["snoozer 1"; 4], "each time its first attempt");
    assert_eq!(history(&db, job).await, ("completed".into(), 1, Vec::new()));
    effects_once(&db, ["snoozer".to_owned()]).await;
    shop.close(MOMENT).await;
});

on_both!(dead_jobs_are_replayed_one_by_one_or_by_kind, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let flaky = |name: &str| Flaky { name: name.into(), failures: 3 };
    let ids = enqueue(&db, ["a", "b", "c"].map(flaky)).await;
    let bomb = enqueue(&db, [Bomb("bomb".into())]).await[0];
    settled(&db).await;
    assert_eq!(jobs_in(&db, "discarded").await, 4);
    let listed = admin::list(&db, &JobFilter { state: Some(JobState::Discarded), ..JobFilter::default() }, 10).await;
    assert_eq!(listed.expect("answers").len(), 4, "an operator sees them");

    let one = db.write(async |tx| admin::retry(tx, &JobFilter::default(), Some(ids[1])).await).await.expect("answers");
    assert_eq!(one, 1);
    settled(&db).await;
    assert_eq!(scene.count("b "), 6, "all its attempts again");
    assert_eq!(scene.count("a "), 3, "and nobody else");

    let kind = JobFilter { kind: Some(Flaky::KIND.into()), state: Some(JobState::Discarded), ..JobFilter::default() };
    let all = db.write(async |tx| admin::retry(tx, &kind, None).await).await.expect("answers");
    assert_eq!(all, 3);
    settled(&db).await;
    assert_eq!(scene.count("a "), 6);
    assert_eq!(history(&db, ids[0]).await.2.len(), 6, "the history is kept");
    assert_eq!(history(&db, bomb).await.1, 2, "another kind is left alone");
    shop.close(MOMENT).await;
});

on_both!(a_waiting_job_is_cancelled_at_once_and_a_running_one_is_stopped, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let waiting = enqueue(&db, [Hold::new("waiting")]).await[0];
    let cancel = async |id| db.write(async |tx| admin::cancel(tx, id).await).await.expect("answers");
    assert_eq!(cancel(waiting).await, Cancellation::Cancelled);
    let shop = scene.open(&db, ShopOptions::default()).await;
    let running = enqueue(&db, [Hold::new("stuck running")]).await[0];
    eventually("it runs", async || scene.has("started stuck running 1")).await;
    assert_eq!(cancel(running).await, Cancellation::Requested);
    settled(&db).await;
    assert_eq!(state(&db, running).await, "cancelled");
    assert_eq!(cancel(running).await, Cancellation::Ended);
    assert_eq!(cancel(db.ids().next()).await, Cancellation::NotFound);
    assert_eq!(scene.count("started waiting"), 0);
    shop.close(MOMENT).await;
});

on_both!(a_running_job_whose_cancellation_is_asked_for_is_not_tried_again, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    // It looks for cancellations so rarely that the attempt fails before it is told to stop.
    let mut options = ShopOptions::default();
    options.worker.poll_interval = Duration::from_hours(1);
    let shop = scene.open(&db, options).await;
    let job = enqueue(&db, [Hold::new("fails")]).await[0];
    eventually("it runs", async || scene.has("started fails 1")).await;
    let asked = db.write(async |tx| admin::cancel(tx, job).await).await.expect("answers");
    assert_eq!(asked, Cancellation::Requested);
    scene.go.add_permits(1);
    settled(&db).await;
    assert_eq!(history(&db, job).await, ("cancelled".into(), 1, vec!["on purpose".to_owned()]));
    shop.close(MOMENT).await;
});

on_both!(a_paused_queue_starts_nothing_until_it_is_resumed, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    db.write(async |tx| admin::pause(tx, QUEUE, "maintenance").await).await.expect("pauses");
    let shop = scene.open(&db, ShopOptions::default()).await;
    enqueue(&db, names("job", 20).into_iter().map(Effect::new)).await;
    let queues = admin::queues(&db).await.expect("answers");
    assert_eq!((queues[0].paused, queues[0].reason.as_deref()), (true, Some("maintenance")));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(jobs_in(&db, "available").await, 20, "several looks later none has started");
    db.write(async |tx| admin::resume(tx, QUEUE).await).await.expect("resumes");
    settled(&db).await;
    effects_once(&db, names("job", 20)).await;
    shop.close(MOMENT).await;
});

on_both!(a_closed_gate_starts_nothing_and_what_was_claimed_goes_back_unspent, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let one_by_one = ShopOptions { concurrency: 8, shards: 1, mailbox: 2, ..ShopOptions::default() };
    let shop = scene.open(&db, one_by_one).await;
    enqueue_all(&db, &names("hold", 30).into_iter().map(Hold::new).collect::<Vec<_>>()).await;
    eventually("some are claimed, one has started", async || {
        jobs_in(&db, "running").await == 8 && scene.count("started") == 1
    })
    .await;
    shop.gate.send(false).expect("the queue listens");
    scene.go.add_permits(30);
    eventually("what ran has finished, the others have gone back", async || jobs_in(&db, "running").await == 0).await;
    assert_eq!((jobs_in(&db, "completed").await, jobs_in(&db, "available").await), (1, 29));
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE state = 'available' AND attempt > 0").await, 0, "unspent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.count("started"), 1, "nothing starts behind a closed gate");

    shop.gate.send(true).expect("the queue listens");
    settled(&db).await;
    let mut started = scene.events();
    started.retain(|event| event.starts_with("started"));
    started.sort_unstable();
    let wanted: Vec<_> = names("started hold", 30).into_iter().map(|name| format!("{name} 1")).collect();
    assert_eq!(started, wanted, "none is lost, each in its first attempt");
    shop.close(MOMENT).await;
});

on_both!(what_waits_at_an_actor_that_is_paused_goes_back_unspent, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let one_by_one = ShopOptions { concurrency: 8, shards: 1, mailbox: 2, ..ShopOptions::default() };
    let shop = scene.open(&db, one_by_one).await;
    enqueue_all(&db, &names("hold", 30).into_iter().map(Hold::new).collect::<Vec<_>>()).await;
    eventually("one has started", async || scene.count("started") == 1).await;
    shop.handle.pause();
    eventually("some have come back", async || jobs_in(&db, "available").await > 22).await;
    scene.go.add_permits(30);
    eventually("what ran has finished", async || jobs_in(&db, "completed").await == 1).await;
    assert_eq!(scene.count("started"), 1, "nothing starts");
    shop.handle.resume();
    settled(&db).await;
    assert_eq!(scene.count("finished"), 30, "none is lost");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE attempt > 1").await, 0, "unspent");
    shop.close(MOMENT).await;
});

/// A kind that nobody handles.
#[derive(Serialize, Deserialize)]
struct Unknown;

impl Job for Unknown {
    const KIND: &'static str = "test.unknown";
    const QUEUE: &'static str = QUEUE;
    const PRIORITY: i32 = 1;
}

on_both!(unknown_kinds_and_unreadable_payloads_die_with_a_clear_error_and_block_nobody, |test| async move {
    let db = open(&test).await;
    let unknown = enqueue(&db, [Unknown]).await[0];
    let unreadable = enqueue(&db, [Misread { unique: "m".into(), failures: "many".into() }]).await[0];
    enqueue(&db, names("good", 20).into_iter().map(Effect::new)).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions { concurrency: 1, ..ShopOptions::default() }).await;
    settled(&db).await;
    effects_once(&db, names("good", 20)).await;
    let (state, attempts, errors) = history(&db, unknown).await;
    assert_eq!((state.as_str(), attempts), ("discarded", 1));
    assert_eq!(errors, ["no handler for jobs of kind `test.unknown` in queue `work`"]);
    let (state, attempts, errors) = history(&db, unreadable).await;
    assert_eq!((state.as_str(), attempts), ("discarded", 1));
    assert!(errors[0].starts_with("the payload is no `test.flaky`: "), "{errors:?}");
    shop.close(MOMENT).await;
});

on_both!(an_attempt_that_takes_too_long_is_broken_off_and_undone, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let dozer = enqueue(&db, [Dozer]).await[0];
    let sleeper = enqueue(&db, [Sleeper]).await[0];
    enqueue(&db, names("good", 20).into_iter().map(Effect::new)).await;
    settled(&db).await;
    for job in [dozer, sleeper] {
        assert_eq!(history(&db, job).await, ("discarded".into(), 1, vec!["timed out after 0.05 s".to_owned()]));
    }
    effects_once(&db, names("good", 20)).await;
    shop.close(MOMENT).await;
});

on_both!(a_job_with_effects_outside_is_recorded_when_it_is_done, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let job = enqueue(&db, [Hold::new("mail")]).await[0];
    eventually("it runs", async || scene.has("started mail 1")).await;
    assert_eq!(state(&db, job).await, "running");
    scene.go.add_permits(1);
    settled(&db).await;
    let view = admin::show(&db, job).await.expect("answers").expect("there");
    assert_eq!((view.state.as_str(), view.attempt), ("completed", 1));
    assert!(view.finished_at >= view.claimed_at && view.claimed_at.is_some());
    shop.close(MOMENT).await;
});

on_both!(a_handler_that_panics_costs_only_its_own_attempts, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions { shards: 2, ..ShopOptions::default() }).await;
    let mut bombs = Vec::new();
    for round in 0..5 {
        bombs.extend(enqueue(&db, [Bomb(format!("{round}"))]).await);
        enqueue(&db, names(&format!("good {round} "), 20).into_iter().map(Effect::new)).await;
    }
    settled(&db).await;
    for (round, bomb) in bombs.into_iter().enumerate() {
        let error = format!("panicked: boom {round}");
        assert_eq!(history(&db, bomb).await, ("discarded".into(), 2, vec![error.clone(), error]));
    }
    effects_once(&db, (0..5).flat_map(|round| names(&format!("good {round} "), 20))).await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM effects WHERE attempt > 1").await, 0, "nobody else's attempt is spent");
    shop.close(MOMENT).await;
});

on_both!(the_trace_context_reaches_the_handler_and_the_jobs_that_it_enqueues, |test| async move {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    trace::scope(trace::Trace::parse(TRACE), enqueue(&db, [Tracer { hops: 2 }])).await;
    settled(&db).await;
    enqueue(&db, [Tracer { hops: 0 }]).await;
    settled(&db).await;
    assert_eq!(scene.events(), [TRACE, TRACE, TRACE, "no trace"]);
    shop.close(MOMENT).await;
});

on_both!(a_purge_deletes_only_what_ended_long_ago, |test| async move {
    let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let day = Duration::from_hours(24);
    let keeping = Retention { completed: day, discarded: 3 * day, events: day };
    enqueue(&db, names("old", 3).into_iter().map(Effect::new)).await;
    let dead = enqueue(&db, [Unknown]).await[0];
    settled(&db).await;
    let waiting = Effect::new("waiting");
    let in_a_year = clock.now() + 365 * day;
    let waiting = db.write(async |tx| tx.enqueue_at(&waiting, in_a_year).await).await.expect("enqueues").id();
    clock.advance(day);
    assert_eq!(retention::purge(&db, keeping).await.expect("purges"), 0, "not older than a day");
    let new = enqueue(&db, [Effect::new("new")]).await[0];
    eventually("it is done", async || state(&db, new).await == "completed").await;
    clock.advance(Duration::from_micros(1));
    assert_eq!(retention::purge(&db, keeping).await.expect("purges"), 3);
    for (job, expected) in [(dead, "discarded"), (new, "completed"), (waiting, "scheduled")] {
        assert_eq!(state(&db, job).await, expected);
    }
    clock.advance(2 * day);
    assert_eq!(retention::purge(&db, keeping).await.expect("purges"), 2, "the dead one, and the new one");
    assert_eq!(state(&db, waiting).await, "scheduled");
    shop.close(MOMENT).await;
});

on_both!(slow_jobs_leave_the_free_slots_to_others, |test| async move {
    let db = open(&test).await;
    enqueue(&db, names("stuck", 5).into_iter().map(Hold::new)).await;
    enqueue(&db, names("quick", 20).into_iter().map(Effect::new)).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions { concurrency: 8, shards: SHARDS, ..ShopOptions::default() }).await;
    eventually("the quick ones are done", async || jobs_in(&db, "completed").await >= 18).await;
    shop.close(Duration::ZERO).await;
});

/// Whom a claim made in the name of: what is left when its answer was lost.
async fn claim_in_the_name_of(db: &Db, worker: Uuid) {
    db.write(async |tx| {
        let claim = "UPDATE jobs SET state = 'running', worker_id = $1, token = token + 1, attempt = attempt + 1";
        execute!(tx, sqlx::query(claim).bind(worker))
    })
    .await
    .expect("claimed");
}

on_both!(a_claim_whose_answer_was_lost_is_given_back, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::lease(Duration::from_secs(1))).await;
    shop.gate.send(false).expect("the queue listens");
    tokio::time::sleep(Duration::from_millis(200)).await;
    enqueue(&db, names("job", 5).into_iter().map(Effect::new)).await;
    claim_in_the_name_of(&db, shop.worker.id().uuid()).await;
    shop.gate.send(true).expect("the queue listens");
    settled(&db).await;
    effects_once(&db, names("job", 5)).await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE attempt > 1").await, 0, "no attempt had begun");
    shop.close(MOMENT).await;
});

on_both!(what_a_buried_worker_claimed_is_claimed_again, |test| async move {
    // A worker that was declared dead may come back, claim, and die before it registers again.
    let db = open(&test).await;
    let scene = Scene::new();
    enqueue(&db, names("job", 5).into_iter().map(Effect::new)).await;
    claim_in_the_name_of(&db, db.ids().next_uuid()).await;
    let shop = scene.open(&db, ShopOptions::lease(Duration::from_secs(1))).await;
    settled(&db).await;
    effects_once(&db, names("job", 5)).await;
    shop.close(MOMENT).await;
});

on_both!(shutdown_with_1000_jobs_queued_and_50_running_loses_none, |test| async move {
    let db = open(&test).await;
    let jobs: Vec<_> = (0..1_050)
        .map(|n| Hold::new(if n % 2 == 0 { format!("done{n:04}") } else { format!("stuck{n:04}") }))
        .collect();
    enqueue_all(&db, &jobs).await;
    let scene = Scene::new();
    let options = ShopOptions { concurrency: 50, shards: SHARDS, ..ShopOptions::default() };
    let shop = scene.open(&db, options).await;
    eventually("50 are claimed and most have started", async || {
        jobs_in(&db, "running").await == 50 && scene.count("started") >= 40
    })
    .await;
    let finishing = scene.count("started done");
    let closing = tokio::spawn(shop.close(Duration::from_secs(2)));
    // What is running may finish, whatever else was claimed goes back.
    scene.go.add_permits(10_000);
    soon("shutdown", closing).await.expect("no panic");

    let completed = jobs_in(&db, "completed").await;
    assert!(completed >= i64::try_from(finishing).expect("few"), "what was running finished: {completed}");
    assert_eq!(usize::try_from(completed).expect("few"), scene.count("finished"), "and was recorded");
    assert_eq!(jobs_in(&db, "available").await, 1_050 - completed, "the others wait again");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM jobs WHERE state = 'available' AND attempt > 0").await, 0, "unspent");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM job_workers").await, 0, "it took leave");

    let text = "UPDATE jobs SET payload = REPLACE(payload, 'stuck', 'freed')";
    db.write(async |tx| execute!(tx, sqlx::query(text))).await.expect("they can finish now");
    let shop = scene.open(&db, ShopOptions::default()).await;
    settled(&db).await;
    assert_eq!(jobs_in(&db, "completed").await, 1_050);
    assert_eq!(scene.count("finished"), 1_050, "each finished once");
    shop.close(MOMENT).await;
});

on_both!(a_worker_that_was_told_to_stop_leaves_its_running_jobs_to_others, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions { shards: SHARDS, ..ShopOptions::default() }).await;
    let ids = enqueue(&db, names("stuck", 5).into_iter().map(Hold::new)).await;
    eventually("they run", async || scene.count("started") >= 3).await;
    soon("shutdown", shop.close(Duration::from_millis(50))).await;
    for id in ids {
        assert_eq!(history(&db, id).await, ("available".into(), 0, Vec::new()), "nobody cancelled it");
    }
});

on_both!(a_job_enqueued_by_another_process_is_found, |test| async move {
    // Without the wake-up of the same process: by the message on PostgreSQL, by looking on SQLite.
    let (db, other) = (open(&test).await, test.open().await);
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    enqueue(&other, names("job", 10).into_iter().map(Effect::new)).await;
    settled(&db).await;
    effects_once(&db, names("job", 10)).await;
    shop.close(MOMENT).await;
});

on_both!(two_hundred_jobs_with_retries_and_a_group_are_each_done_once, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    let mut wanted = Vec::new();
    for n in 0..200 {
        let name = format!("{n:03}");
        wanted.push(name.clone());
        if n % 10 == 3 {
            enqueue(&db, [Flaky { name, failures: 1 }]).await;
        } else {
            enqueue(&db, [Effect { group: (n % 4 == 0).then(|| "one".to_owned()), ..Effect::new(name) }]).await;
        }
    }
    settled(&db).await;
    effects_once(&db, wanted).await;
    shop.close(MOMENT).await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM job_workers").await, 0);
});

on_both!(counts_tell_an_operator_what_waits, |test| async move {
    let db = open(&test).await;
    enqueue(&db, names("job", 3).into_iter().map(Effect::new)).await;
    let counts = admin::counts(&db).await.expect("answers");
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].queue.as_str(), counts[0].state.as_str(), counts[0].jobs), (QUEUE, "available", 3));
    let depths = admin::depths(&db).await.expect("answers");
    assert_eq!(depths.len(), 1);
    assert_eq!((depths[0].queue.as_str(), depths[0].waiting, depths[0].dead), (QUEUE, 3, 0));
    let ids: Vec<JobId> = fetch_all!(db, sqlx::query_scalar("SELECT id FROM jobs ORDER BY id DESC")).expect("answers");
    let filter = JobFilter { before: Some(ids[0]), ..JobFilter::default() };
    let page = admin::list(&db, &filter, 1).await.expect("answers");
    assert_eq!(page.iter().map(|job| job.id).collect::<Vec<_>>(), [ids[1]], "newest first, page by page");
});
