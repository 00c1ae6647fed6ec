//! Jobs that share a group: one at a time, and of those that wait the first, whoever sweeps, claims or settles meanwhile.

use std::time::Duration;

use mintreu::{
    db::{Db, Dialect},
    execute, fetch_all, fetch_one,
    jobs::{JobId, admin},
};
use tokio::sync::oneshot;

use crate::{
    queue_scene::{Grouped, Hold, Scene, enqueue, enqueue_all, names, open},
    support::{Effect, NoFail, QUEUE, ShopOptions, eventually, jobs_in, settled, soon},
};

/// So many that no job of a group meets another's shard.
const SHARDS: usize = 1024;
const MOMENT: Duration = Duration::from_secs(10);

fn grouped(group: &str, name: impl Into<String>) -> Hold {
    Hold { group: Some(group.into()), ..Hold::new(name) }
}

fn finished(scene: &Scene) -> Vec<String> {
    scene.events().into_iter().filter(|event| event.starts_with("finished")).collect()
}

async fn pause(db: &Db, paused: bool) {
    db.write(async |tx| if paused { admin::pause(tx, QUEUE, "a test").await } else { admin::resume(tx, QUEUE).await })
        .await
        .expect("it is changed");
}

const SET_PARKED: &str = "UPDATE jobs SET parked = $2 WHERE id = $1";

async fn set_parked(db: &Db, job: JobId, parked: bool) {
    db.write(async |tx| execute!(tx, sqlx::query(SET_PARKED).bind(job).bind(parked))).await.expect("it is set");
}

async fn parked(db: &Db) -> Vec<JobId> {
    fetch_all!(db, sqlx::query_scalar("SELECT id FROM jobs WHERE parked ORDER BY id")).expect("the parked")
}

on_both!(jobs_of_one_group_never_run_at_the_same_time_not_even_on_two_workers, |test| async move {
    let (db, other) = (open(&test).await, test.open().await);
    let scene = Scene::new();
    let one = scene.open(&db, ShopOptions::default()).await;
    let two = scene.open(&other, ShopOptions::default()).await;
    let jobs: Vec<_> = (0..400).map(|number| Grouped { group: format!("group {}", number % 5), number }).collect();
    for chunk in jobs.chunks(20) {
        enqueue_all(&db, chunk).await;
    }
    settled(&db).await;
    assert_eq!(scene.count("group"), 400, "each ran once");
    assert_eq!(scene.worst_overlap(), 1, "one at a time");
    one.close(MOMENT).await;
    two.close(MOMENT).await;
});

on_both!(two_thousand_jobs_of_a_busy_group_are_in_nobodys_way, |test| async move {
    let db = open(&test).await;
    let jobs: Vec<_> = names("busy", 2_000).into_iter().map(|name| grouped("busy", name)).collect();
    enqueue_all(&db, &jobs).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions { shards: SHARDS, ..ShopOptions::default() }).await;
    eventually("the first of the group runs", async || scene.has("started busy0000 1")).await;
    enqueue(&db, names("free", 50).into_iter().map(Effect::new)).await;
    eventually("all others are done", async || jobs_in(&db, "completed").await >= 48).await;
    assert_eq!(scene.count("started"), 1, "one of the group");
    scene.go.add_permits(20);
    eventually("the group goes on", async || scene.count("finished") == 20).await;
    eventually("one by one", async || scene.count("started") == 21).await;
    let first: Vec<_> = names("finished busy", 20);
    assert_eq!(finished(&scene), first, "in their order");
    shop.close(Duration::ZERO).await;
});

on_both!(the_sweep_frees_the_first_of_a_group_and_nobody_behind_one_that_is_about_to_be_claimed, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    pause(&db, true).await;
    // As when the one before it has just ended and no claim came by yet.
    let free = enqueue(&db, [grouped("free", "free 1"), grouped("free", "free 2")]).await;
    set_parked(&db, free[1], true).await;
    // As when a claim parked the first while the one before it ended.
    let stuck = enqueue(&db, [grouped("stuck", "parked 1"), grouped("stuck", "parked 2")]).await;
    set_parked(&db, stuck[0], true).await;
    set_parked(&db, stuck[1], true).await;
    let shop = scene.open(&db, ShopOptions::default()).await;
    // One sweep frees all that it frees.
    eventually("the first is freed", async || !parked(&db).await.contains(&stuck[0])).await;
    assert_eq!(parked(&db).await, [free[1], stuck[1]]);
    shop.close(MOMENT).await;
});

on_both!(a_later_job_of_a_group_does_not_overtake_one_that_is_parked, |test| async move {
    let db = open(&test).await;
    let scene = Scene::new();
    pause(&db, true).await;
    let jobs = enqueue(&db, [grouped("one", "first"), grouped("one", "second")]).await;
    set_parked(&db, jobs[0], true).await;
    pause(&db, false).await;
    scene.go.add_permits(2);
    let shop = scene.open(&db, ShopOptions::default()).await;
    settled(&db).await;
    assert_eq!(finished(&scene), ["finished first", "finished second"]);
    shop.close(MOMENT).await;
});

on_both!(who_ends_a_job_frees_the_next_even_while_a_claim_is_parking_it, |test| async move {
    let (db, other) = (open(&test).await, test.open().await);
    let scene = Scene::new();
    let jobs = enqueue(&db, ["first", "second", "third"].map(|name| grouped("one", name))).await;
    let shop = scene.open(&db, ShopOptions::default()).await;
    eventually("the others wait", async || parked(&db).await == jobs[1..]).await;
    pause(&db, true).await;
    let second = jobs[1];
    set_parked(&db, second, false).await;
    // What a claim does that saw the first run, and that commits after the first has ended.
    let ((parks, is_parked), (commit, commits)) = (oneshot::channel(), oneshot::channel());
    let claim = tokio::spawn(async move {
        let parked = other.write(async |tx| {
            execute!(tx, sqlx::query(SET_PARKED).bind(second).bind(true))?;
            parks.send(()).expect("the test waits");
            commits.await.expect("the test goes on");
            NoFail::Ok(())
        });
        parked.await.expect("committed");
    });
    is_parked.await.expect("it is parked");
    scene.go.add_permits(3);
    if db.dialect() == Dialect::Postgres {
        const WAITING: &str =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = async || fetch_one!(db, sqlx::query_scalar::<_, i64>(WAITING)).expect("what they wait for");
        eventually("who ends the first waits for the claim", async || waiting().await > 0).await;
    }
    commit.send(()).expect("the claim waits");
    soon("the claim is done", claim).await.expect("no panic");
    pause(&db, false).await;
    settled(&db).await;
    assert_eq!(finished(&scene), ["finished first", "finished second", "finished third"]);
    shop.close(MOMENT).await;
});
