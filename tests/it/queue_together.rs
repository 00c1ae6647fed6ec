//! Jobs that are done together: fewer transactions, and every promise of the queue to each of them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mintreu::{
    db::{Db, Tx},
    execute, fetch_all, fetch_one,
    jobs::{Failure, Handlers, Job, MOST, RetryPolicy, Together},
    text_enum,
};
use serde::{Deserialize, Serialize};

use crate::{
    queue_scene::enqueue_all,
    support::{QUEUE, Shop, ShopOptions, create_effects, effects_once, jobs_in, settled},
};

text_enum! {
    /// What is wrong with a job.
    pub enum Fault {
        /// It refuses to be done.
        Refuses = "refuses",
        /// Its statement fails, which on PostgreSQL ends the transaction.
        Breaks = "breaks",
        /// It panics.
        Panics = "panics",
        /// Its lease passes to another worker meanwhile.
        Loses = "loses",
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shared {
    name: String,
    fault: Option<Fault>,
}

impl Job for Shared {
    const KIND: &'static str = "test.shared";
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 3, base: Duration::from_millis(5), cap: Duration::from_millis(50) };
}

/// How many were done together, each time that it was tried.
type Sizes = Arc<Mutex<Vec<usize>>>;

impl Together<Sizes> for Shared {
    async fn run(works: Vec<Self>, sizes: &mut Sizes, tx: &mut Tx) -> Result<(), Failure> {
        sizes.lock().unwrap_or_else(PoisonError::into_inner).push(works.len());
        for work in &works {
            let insert = "INSERT INTO effects (name, job, attempt, process) SELECT $1, id, attempt, 1 FROM jobs
                          WHERE payload LIKE $2";
            let me = format!("%\"{}\"%", work.name);
            execute!(tx, sqlx::query(insert).bind(&work.name).bind(&me))?;
            match work.fault {
                None => {}
                Some(Fault::Refuses) => return Err(Failure::dead("on purpose")),
                Some(Fault::Panics) => panic!("on purpose"),
                Some(Fault::Breaks) => _ = execute!(tx, sqlx::query("INSERT INTO effects (name) VALUES (NULL)"))?,
                Some(Fault::Loses) => {
                    let steal = "UPDATE jobs SET token = token + 1 WHERE payload LIKE $1";
                    execute!(tx, sqlx::query(steal).bind(&me))?;
                }
            }
        }
        // The others gather meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(())
    }
}

async fn work(db: &Db, jobs: &[Shared]) -> Vec<usize> {
    create_effects(db).await;
    enqueue_all(db, jobs).await;
    let sizes = Sizes::default();
    let (handlers, state) = (Handlers::new(db.clone()).together::<Shared>(), Arc::clone(&sizes));
    let options = ShopOptions { shards: 64, concurrency: 128, ..ShopOptions::default() };
    let shop = Shop::start(db, handlers, move || Arc::clone(&state), options).await;
    settled(db).await;
    shop.close(Duration::from_secs(5)).await;
    let sizes = sizes.lock().unwrap_or_else(PoisonError::into_inner);
    sizes.clone()
}

fn good(count: usize) -> Vec<Shared> {
    (0..count).map(|n| Shared { name: format!("good{n:03}"), fault: None }).collect()
}

on_both!(many_jobs_share_few_transactions_and_each_is_done_once, |test| async move {
    let db = test.open().await;
    let jobs = good(300);
    let sizes = work(&db, &jobs).await;
    effects_once(&db, jobs.into_iter().map(|job| job.name)).await;
    assert_eq!(jobs_in(&db, "completed").await, 300);
    assert_eq!(sizes.iter().sum::<usize>(), 300, "none was tried twice");
    assert!(sizes.len() < 100, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= MOST), "{sizes:?}");
});

on_both!(a_bad_job_fails_alone_and_takes_no_other_with_it, |test| async move {
    let db = test.open().await;
    let mut jobs = good(60);
    for (place, fault) in Fault::ALL.iter().enumerate() {
        jobs.insert(place * 15, Shared { name: fault.to_string(), fault: Some(*fault) });
    }
    work(&db, &jobs).await;
    effects_once(&db, good(60).into_iter().map(|job| job.name)).await;
    assert_eq!((jobs_in(&db, "completed").await, jobs_in(&db, "discarded").await), (60, 4));
    let tries: Vec<(String, i64)> = fetch_all!(
        &db,
        sqlx::query_as("SELECT payload, CAST(attempt AS BIGINT) FROM jobs WHERE state = 'discarded' ORDER BY payload")
    )
    .expect("answers");
    for (payload, attempt) in &tries {
        assert_eq!(*attempt, if payload.contains("refuses") { 1 } else { 3 }, "{payload}");
    }
    // A panic may cost the one that did the work of all an attempt; nobody else pays.
    let most: i64 =
        fetch_one!(&db, sqlx::query_scalar("SELECT CAST(MAX(attempt) AS BIGINT) FROM effects")).expect("one");
    assert!(most <= 2, "{most}");
});
