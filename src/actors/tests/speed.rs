//! What a hop costs. Not part of the suite: `cargo test --lib actors::tests::speed -- --ignored --nocapture`.

use std::time::Instant;

use futures::{StreamExt, stream};

use super::*;

struct Nothing;
impl Perform<()> for Nothing {
    fn perform<'a>(&'a self, (): &'a mut (), _: &'a Claimed) -> BoxFuture<'a, Outcome> {
        async { Outcome::Completed }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, does not test"]
async fn hops() {
    const JOBS: u32 = 200_000;
    let world = World::new();
    let system = world.system();
    let handle = system.add(Capability::new("nothing", || (), Arc::new(Nothing))).await.unwrap();
    let consumer = handle.consumer();
    for tasks in [1_u32, 16, 64, 256] {
        let jobs: Vec<Vec<_>> = (0..tasks).map(|_| (0..JOBS / tasks).map(|_| world.job("go")).collect()).collect();
        let start = Instant::now();
        let workers = jobs.into_iter().map(|jobs| {
            let consumer = consumer.clone();
            tokio::spawn(async move {
                for job in jobs {
                    consumer.consume(job).await;
                }
            })
        });
        stream::iter(workers).buffer_unordered(1024).for_each(|done| async { done.unwrap() }).await;
        let each = start.elapsed() / JOBS;
        println!("{tasks:4} tasks: {each:?} per job, {:.0} jobs/s", 1.0 / each.as_secs_f64());
    }
    let mut waits: Vec<_> = Vec::new();
    for _ in 0..2_000 {
        tokio::time::sleep(Duration::from_micros(100)).await;
        let job = world.job("go");
        let start = Instant::now();
        consumer.consume(job).await;
        waits.push(start.elapsed());
    }
    waits.sort();
    println!("idle: p50 {:?}, p99 {:?}", waits[1_000], waits[1_980]);
}
