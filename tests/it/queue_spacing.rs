//! Jobs that can wait a moment are claimed many at a time.

use std::time::{Duration, Instant};

use mintreu::{fetch_all, kernel::Time};

use crate::{
    queue_scene::{Scene, enqueue, names, open},
    support::{Effect, ShopOptions, eventually, jobs_in, settled},
};

on_both!(what_comes_soon_after_a_claim_is_claimed_together_a_moment_later, |test| async move {
    let db = open(&test).await;
    let spacing = Duration::from_secs(3);
    enqueue(&db, [Effect::new("first")]).await;
    let began = Instant::now();
    let shop = Scene::new().open(&db, ShopOptions { spacing, ..ShopOptions::default() }).await;
    eventually("who comes first does not wait", async || jobs_in(&db, "completed").await == 1).await;
    enqueue(&db, names("later", 5).into_iter().map(Effect::new)).await;
    settled(&db).await;
    assert!(began.elapsed() >= spacing, "they waited for each other: {:?}", began.elapsed());
    let claims: Vec<(Time,)> =
        fetch_all!(db, sqlx::query_as("SELECT DISTINCT claimed_at FROM jobs WHERE kind = 'test.effect'"))
            .expect("the times of claims");
    assert_eq!(claims.len(), 2, "one claim took all five");
    shop.close(Duration::ZERO).await;
});

on_both!(who_waits_behind_a_full_claim_is_claimed_as_soon_as_there_is_room, |test| async move {
    let db = open(&test).await;
    enqueue(&db, names("many", 7).into_iter().map(Effect::new)).await;
    let options = ShopOptions { spacing: Duration::from_hours(1), concurrency: 2, ..ShopOptions::default() };
    let shop = Scene::new().open(&db, options).await;
    settled(&db).await;
    assert_eq!(jobs_in(&db, "completed").await, 7);
    shop.close(Duration::ZERO).await;
});
