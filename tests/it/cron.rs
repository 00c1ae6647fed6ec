//! Schedules: fired once a time, however many replicas watch the clock, and made up for once.

use std::{sync::Arc, time::Duration};

use mintreu::{
    db::Db,
    fetch_one,
    jobs::{Handlers, Schedule},
    kernel::{Clock, ManualClock, Time},
};

use crate::support::{Effect, Shop, ShopOptions, count, create_effects, eventually, settled};

const MOMENT: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);

/// 2027-01-15, 08:00:30.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Time::from_micros(1_800_000_030_000_000)))
}

async fn replica(db: &Db, expression: &str) -> Shop {
    let schedule = Schedule::new("nightly", expression, Effect::new("tick")).expect("an expression");
    let options = ShopOptions { schedules: vec![schedule], ..ShopOptions::default() };
    Shop::start(db, Handlers::<()>::new(db.clone()).transactional::<Effect>(), || (), options).await
}

async fn fired(db: &Db) -> i64 {
    count(db, "SELECT COUNT(*) FROM jobs").await
}

async fn next_run(db: &Db) -> Option<Time> {
    mintreu::fetch_optional!(db, sqlx::query_scalar("SELECT next_run_at FROM job_schedules")).expect("answers")
}

async fn planned_for(db: &Db, time: &str) {
    let time: Time = time.parse().expect("a time");
    eventually(&format!("the next run is at {time}"), async || next_run(db).await == Some(time)).await;
}

/// Waits until every replica has surely looked at the clock again.
async fn looks() {
    tokio::time::sleep(6 * ShopOptions::default().worker.poll_interval).await;
}

on_both!(two_replicas_fire_once_a_time, |test| async move {
    let clock = clock();
    let (db, other) = (test.open_at(clock.clone()).await, test.open_at(clock.clone()).await);
    create_effects(&db).await;
    let one = replica(&db, "* * * * *").await;
    let two = replica(&other, "* * * * *").await;
    planned_for(&db, "2027-01-15T08:01:00Z").await;
    looks().await;
    assert_eq!(fired(&db).await, 0, "not before its time");
    for minute in 1..=8 {
        clock.advance(MINUTE);
        eventually("it fires", async || fired(&db).await >= minute).await;
    }
    looks().await;
    assert_eq!(fired(&db).await, 8, "once a minute");
    settled(&db).await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM effects").await, 8);
    let last: Time = fetch_one!(db, sqlx::query_scalar("SELECT last_run_at FROM job_schedules")).expect("answers");
    assert_eq!(last, clock.now());
    one.close(MOMENT).await;
    two.close(MOMENT).await;
});

on_both!(times_that_passed_while_nobody_watched_are_made_up_for_once, |test| async move {
    let clock = clock();
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let shop = replica(&db, "* * * * *").await;
    planned_for(&db, "2027-01-15T08:01:00Z").await;
    shop.close(MOMENT).await;
    clock.advance(600 * MINUTE);
    let shop = replica(&db, "* * * * *").await;
    planned_for(&db, "2027-01-15T18:01:00Z").await;
    looks().await;
    assert_eq!(fired(&db).await, 1, "600 were missed");
    shop.close(MOMENT).await;
});

on_both!(a_changed_expression_counts_from_now_on_whether_it_is_nearer_or_further, |test| async move {
    let clock = clock();
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let shop = replica(&db, "0 3 * * *").await;
    planned_for(&db, "2027-01-16T03:00:00Z").await;
    shop.close(MOMENT).await;
    let shop = replica(&db, "*/5 * * * *").await;
    planned_for(&db, "2027-01-15T08:05:00Z").await;
    shop.close(MOMENT).await;
    let shop = replica(&db, "0 5 * * *").await;
    planned_for(&db, "2027-01-16T05:00:00Z").await;
    clock.advance(10 * MINUTE);
    looks().await;
    assert_eq!(fired(&db).await, 0, "the time of an expression that is gone");
    shop.close(MOMENT).await;
});

on_both!(a_clock_that_goes_back_a_day_does_not_silence_a_schedule, |test| async move {
    let clock = clock();
    let db = test.open_at(clock.clone()).await;
    create_effects(&db).await;
    let shop = replica(&db, "* * * * *").await;
    planned_for(&db, "2027-01-15T08:01:00Z").await;
    clock.set(clock.now() - Duration::from_hours(24));
    planned_for(&db, "2027-01-14T08:01:00Z").await;
    clock.advance(MINUTE);
    eventually("it fires", async || fired(&db).await == 1).await;
    shop.close(MOMENT).await;
});

#[test]
fn what_is_no_cron_expression_is_refused_by_name() {
    let error = Schedule::new("nightly", "every night", Effect::new("tick")).expect_err("no expression");
    assert!(error.to_string().starts_with("`every night` is no cron expression: "), "{error}");
}
