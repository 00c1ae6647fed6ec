//! Panics: what they cost, and how far up the tree they go.

use futures::future::join_all;

use super::*;

fn panicked(token: i64) -> Outcome {
    Outcome::Failed(Failure::retry(format!("panicked: boom {token}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panicking_handler_among_good_ones_loses_no_mail() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders").mailbox(64)).await.unwrap();
    let mut answers = Vec::new();
    for token in 0..30 {
        let payload = if token == 7 || token == 19 { "panic" } else { "go" };
        answers.push(world.send_job(&handle, Claimed { token, ..world.job(payload) }).await);
    }
    for (token, answer) in (0..30).zip(join_all(answers).await) {
        let expected = if token == 7 || token == 19 { panicked(token) } else { Outcome::Completed };
        assert_eq!(answer.unwrap().1, expected, "job {token}");
    }
    assert_eq!(world.outcome(&handle, "state").await, Outcome::Failed(Failure::dead("build 3 job 11")));
    let status = &system.status()[0];
    assert_eq!((status.state, status.restarts), (ActorState::Running, 2));
    assert_eq!(status.last_error.as_deref(), Some("panicked: boom 19"));
    assert_eq!((status.mailbox_depth, status.in_flight), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_before_its_first_await_is_caught_too() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    let outcome = world.outcome(&handle, "panic synchronously").await;
    assert!(matches!(&outcome, Outcome::Failed(Failure::Retry { error, .. }) if error.contains("panic synchronously")));
    assert_eq!(world.outcome(&handle, "state").await, Outcome::Failed(Failure::dead("build 2 job 1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_factory_that_panics_is_tried_again_while_mail_waits() {
    let world = World::new();
    let system = world.system();
    world.broken_factory.store(true, Ordering::SeqCst);
    let policy = Policy { intensity: 10_000, ..brisk() };
    let handle = system.add(world.capability("orders").policy(policy)).await.unwrap();
    let answer = world.send(&handle, "go").await;
    until("some tries", || handle.status()[0].restarts >= 3).await;
    let status = &system.status()[0];
    assert_eq!(status.mailbox_depth, 1);
    assert_eq!(status.last_error.as_deref(), Some("panicked: no state today"));
    assert_ne!(status.state, ActorState::Running);
    world.broken_factory.store(false, Ordering::SeqCst);
    assert_eq!(answer.await.unwrap().1, Outcome::Completed);
    assert_eq!(system.status()[0].state, ActorState::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_waits_out_the_backoff() {
    let world = World::new();
    let system = world.system();
    let hour = Duration::from_hours(1);
    let policy = Policy { backoff: Backoff { first: hour, last: hour }, ..brisk() };
    let handle = system.add(world.capability("orders").policy(policy)).await.unwrap();
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.outcome(&handle, "panic").await, panicked(0));
    // The books are kept before the answer goes out.
    let status = system.status().remove(0);
    assert_eq!((status.state, status.restarts, status.in_flight), (ActorState::Restarting, 1, 0));
    assert_eq!(status.since, world.clock.now());
    let answer = world.send(&handle, "go").await;
    assert_eq!(system.status()[0].mailbox_depth, 1);
    assert!(!answer.is_finished());
    // An operator need not wait.
    system.restart("orders").await.unwrap();
    assert_eq!(answer.await.unwrap().1, Outcome::Completed);
    assert_eq!((world.builds.load(Ordering::SeqCst), system.status()[0].restarts), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_past_its_intensity_has_all_shards_rebuilt() {
    let world = World::new();
    let system = world.system();
    let policy = Policy { intensity: 1, ..brisk() };
    let handle = system.add(world.capability("orders").shards(3).policy(policy)).await.unwrap();
    assert_eq!(world.builds.load(Ordering::SeqCst), 3);
    let poison = world.job("panic");
    let shard = usize::try_from(poison.shard_key() % 3).unwrap();
    for builds in [4, 7] {
        assert_eq!(handle.consumer().consume(poison.clone()).await.1, panicked(0));
        until("rebuilt", || world.builds.load(Ordering::SeqCst) == builds).await;
        until_state(&handle, ActorState::Running).await;
    }
    let restarts: Vec<_> = handle.status().iter().map(|shard| shard.restarts).collect();
    assert_eq!((restarts[shard], restarts.iter().sum::<u64>()), (2, 2), "only falls count");
}

/// The shard bears one fall, and the supervisor bears one escalation: four falls are one too many.
async fn fail(world: &World, handle: &Handle) {
    for fall in 0..4 {
        until_state(handle, ActorState::Running).await;
        assert_eq!(world.outcome(handle, "panic").await, panicked(0), "fall {fall}");
    }
    until_state(handle, ActorState::Failed).await;
}

fn short_fuse() -> Policy {
    Policy { intensity: 1, ..brisk() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capability_past_its_intensity_fails_alone_and_returns_its_jobs() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders").policy(short_fuse())).await.unwrap();
    let sibling = system.add(world.capability("payments").policy(short_fuse())).await.unwrap();
    assert_eq!(system.failed(), [""; 0]);
    fail(&world, &handle).await;
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Returned);
    assert_eq!(world.outcome(&sibling, "go").await, Outcome::Completed);
    assert_eq!(system.failed(), ["orders"]);
    let status = &system.status()[0];
    assert_eq!((status.restarts, status.last_error.as_deref()), (4, Some("panicked: boom 0")));

    system.restart("orders").await.unwrap();
    until_state(&handle, ActorState::Running).await;
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Completed);
    assert_eq!(system.failed(), [""; 0]);
    // With full credit again.
    fail(&world, &handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_waits_when_a_capability_fails_goes_back() {
    let world = World::new();
    let system = world.system();
    let policy = Policy { intensity: 0, ..brisk() };
    let handle = system.add(world.capability("orders").policy(policy)).await.unwrap();
    let answers =
        [world.send(&handle, "wait").await, world.send(&handle, "panic").await, world.send(&handle, "go").await];
    world.gate.add_permits(1);
    let outcomes: Vec<_> = join_all(answers).await.into_iter().map(|answer| answer.unwrap().1).collect();
    assert_eq!(outcomes, [Outcome::Completed, panicked(0), Outcome::Returned]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_root_tries_a_failed_capability_again_by_itself() {
    let world = World::new();
    let system = world.system();
    let soon = Backoff { first: Duration::from_millis(1), last: Duration::from_millis(2) };
    let policy = Policy { pause: soon, ..short_fuse() };
    world.broken_factory.store(true, Ordering::SeqCst);
    let handle = system.add(world.capability("orders").policy(policy)).await.unwrap();
    // A round is two tries of the shard, and two more after the supervisor's.
    until("several rounds", || handle.status()[0].restarts > 12).await;
    world.broken_factory.store(false, Ordering::SeqCst);
    until_state(&handle, ActorState::Running).await;
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_lets_the_running_job_finish_on_its_old_state() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    let running = world.send(&handle, "wait").await;
    let waiting = world.send(&handle, "state").await;
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    system.restart("orders").await.unwrap();
    until_state(&handle, ActorState::Restarting).await;
    world.gate.add_permits(1);
    assert_eq!(running.await.unwrap().1, Outcome::Completed);
    assert_eq!(waiting.await.unwrap().1, Outcome::Failed(Failure::dead("build 2 job 1")));
}

/// Panics, restarts, pauses and failures at any moment, and a queue that hands in again what comes back: in the end
/// every job has been started exactly once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_is_answered_whatever_happens_meanwhile() {
    let world = World::new();
    let system = world.system();
    let soon = Backoff { first: Duration::from_millis(1), last: Duration::from_millis(2) };
    let policy = Policy { intensity: 3, pause: soon, ..brisk() };
    let handle = system.add(world.capability("orders").shards(3).mailbox(5).policy(policy)).await.unwrap();
    let senders = (0..50_i64).map(|sender| {
        let (world, handle) = (world.clone(), handle.clone());
        tokio::spawn(async move {
            for token in sender * 40..sender * 40 + 40 {
                let payload = if token % 23 == 0 { "panic" } else { "go" };
                let mut job = Claimed { token, ..world.job(payload) };
                let outcome = loop {
                    let (answered, outcome) = handle.consumer().consume(job).await;
                    assert_eq!(answered.token, token);
                    if outcome != Outcome::Returned {
                        break outcome;
                    }
                    job = answered;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                };
                assert_eq!(outcome, if token % 23 == 0 { panicked(token) } else { Outcome::Completed });
            }
        })
    });
    let all = join_all(senders.collect::<Vec<_>>());
    let trouble = async {
        loop {
            handle.pause();
            tokio::task::yield_now().await;
            handle.resume();
            system.restart("orders").await.unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    tokio::select! {
        done = all => done.into_iter().for_each(|sender| sender.expect("a sender is content")),
        () = trouble => {}
    }
    let mut started = world.order.lock().unwrap().clone();
    started.sort_unstable();
    assert_eq!(started, (0..2_000).collect::<Vec<_>>());
}
