//! Mail: one after the other within a shard, side by side among shards, bounded, never dropped.

use futures::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_key_never_overlap_while_shards_run_side_by_side() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders").shards(8).mailbox(200)).await.unwrap();
    let keyed = |token: i64| {
        let group_key = Some(format!("order {}", token % 20));
        Claimed { token, group_key, ..world.job("wait") }
    };
    let mut answers = Vec::new();
    for token in 0..200 {
        answers.push(world.send_job(&handle, keyed(token)).await);
    }
    let busy = || handle.status().iter().filter(|shard| shard.in_flight == 1).count();
    let hit: std::collections::HashSet<_> = (0..20).map(|token| keyed(token).shard_key() % 8).collect();
    until("every shard with mail is at work", || busy() == hit.len()).await;
    world.gate.add_permits(200);
    for answer in join_all(answers).await {
        assert_eq!(answer.unwrap().1, Outcome::Completed);
    }
    assert!(!world.overlapped.load(Ordering::SeqCst));
    assert!(hit.len() > 1);
    assert_eq!(world.most_at_once.load(Ordering::SeqCst), hit.len());
    let order = world.order.lock().unwrap();
    for key in 0..20 {
        let of_key: Vec<_> = order.iter().filter(|token| **token % 20 == key).collect();
        assert!(of_key.is_sorted(), "first come, first served: {of_key:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_mailbox_slows_the_sender_and_drops_nothing() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders").mailbox(4)).await.unwrap();
    let mut answers = vec![world.send(&handle, "wait").await];
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    for _ in 0..49 {
        answers.push(world.send(&handle, "wait").await);
        assert!(handle.status()[0].mailbox_depth <= 4);
    }
    assert_eq!(handle.status()[0].mailbox_depth, 4);
    for done in 1..=50 {
        world.gate.add_permits(1);
        until("one more is done", || answers.iter().filter(|answer| answer.is_finished()).count() == done).await;
        assert!(handle.status()[0].mailbox_depth <= 4);
    }
    for answer in join_all(answers).await {
        assert_eq!(answer.unwrap().1, Outcome::Completed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_lives_from_job_to_job() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    for job in 1..=3 {
        let seen = Outcome::Failed(Failure::dead(format!("build 1 job {job}")));
        assert_eq!(world.outcome(&handle, "state").await, seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_nobody_waits_for_is_not_started() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    let first = world.send(&handle, "wait").await;
    let given_up = world.send(&handle, "go").await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    world.gate.add_permits(1);
    assert_eq!(first.await.unwrap().1, Outcome::Completed);
    assert_eq!(world.outcome(&handle, "state").await, Outcome::Failed(Failure::dead("build 1 job 2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_capability_finishes_what_runs_and_returns_the_rest() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    let running = world.send(&handle, "wait").await;
    let waiting = world.send(&handle, "go").await;
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    world.clock.advance(Duration::from_secs(5));
    handle.pause();
    assert_eq!(waiting.await.unwrap().1, Outcome::Returned);
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Returned);
    assert!(!handle.accepts());
    let status = &system.status()[0];
    assert_eq!((status.state, status.since, status.in_flight), (ActorState::Paused, world.clock.now(), 1));
    world.gate.add_permits(1);
    assert_eq!(running.await.unwrap().1, Outcome::Completed);
    handle.resume();
    assert!(handle.accepts());
    assert_eq!(system.status()[0].state, ActorState::Running);
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_waits_for_room_is_answered_when_the_capability_pauses() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders").mailbox(1)).await.unwrap();
    let running = world.send(&handle, "wait").await;
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    let waiting = [world.send(&handle, "go").await, world.send(&handle, "go").await, world.send(&handle, "go").await];
    handle.pause();
    for answer in join_all(waiting).await {
        assert_eq!(answer.unwrap().1, Outcome::Returned);
    }
    world.gate.add_permits(1);
    assert_eq!(running.await.unwrap().1, Outcome::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_given_once() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    let again = system.add(world.capability("orders")).await;
    assert_eq!(again.unwrap_err(), StartError::Duplicate("orders"));
    assert_eq!(system.capability("orders").map(|found| found.name()), Some(handle.name()));
    assert!(system.capability("others").is_none());
    assert_eq!(system.restart("others").await, Err(UnknownChild("others".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_is_plain_data() {
    let world = World::new();
    let system = world.system();
    system.add(world.capability("orders")).await.unwrap();
    insta::assert_json_snapshot!(system.status(), @r#"
    [
      {
        "capability": "orders",
        "shard": 0,
        "state": "running",
        "restarts": 0,
        "mailbox_depth": 0,
        "in_flight": 0,
        "last_error": null,
        "since": "2027-01-15T08:00:00Z"
      }
    ]
    "#);
}

/// On one thread, because a recorder can be set for one thread only.
#[tokio::test]
async fn the_metrics_count_outcomes_falls_and_what_is_under_way() {
    let (recorder, metrics) = crate::telemetry::Metrics::detached();
    let _recorded = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    for payload in ["go", "go", "panic", "state"] {
        world.outcome(&handle, payload).await;
    }
    let answers = [world.send(&handle, "wait").await, world.send(&handle, "go").await, world.send(&handle, "go").await];
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    let text = metrics.render();
    for line in [
        r#"mintreu_actor_jobs_total{capability="orders",outcome="completed"} 2"#,
        r#"mintreu_actor_jobs_total{capability="orders",outcome="retry"} 1"#,
        r#"mintreu_actor_jobs_total{capability="orders",outcome="dead"} 1"#,
        r#"mintreu_actor_restarts_total{capability="orders"} 1"#,
        r#"mintreu_actor_job_duration_seconds_count{capability="orders"} 4"#,
        r#"mintreu_actor_mailbox_depth{capability="orders"} 2"#,
        r#"mintreu_actor_in_flight{capability="orders"} 1"#,
    ] {
        assert!(text.contains(line), "no {line} in:\n{text}");
    }
    handle.pause();
    world.gate.add_permits(1);
    join_all(answers).await;
    let text = metrics.render();
    for line in [
        r#"mintreu_actor_jobs_total{capability="orders",outcome="returned"} 2"#,
        r#"mintreu_actor_mailbox_depth{capability="orders"} 0"#,
        r#"mintreu_actor_in_flight{capability="orders"} 0"#,
    ] {
        assert!(text.contains(line), "no {line} in:\n{text}");
    }
}
