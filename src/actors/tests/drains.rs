//! The end: what runs finishes if it can, what waits goes back, nothing is left behind.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_what_runs_and_returns_what_waits() {
    let world = World::new();
    let system = Arc::new(world.system());
    let handle = system.add(world.capability("orders")).await.unwrap();
    let running = world.send(&handle, "wait").await;
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    let waiting = [world.send(&handle, "go").await, world.send(&handle, "go").await];
    let drain = tokio::spawn({
        let system = system.clone();
        async move { system.drain(Duration::from_mins(1)).await }
    });
    for answer in waiting {
        assert_eq!(answer.await.unwrap().1, Outcome::Returned);
    }
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Returned);
    assert!(!running.is_finished() && !drain.is_finished());
    world.gate.add_permits(1);
    assert_eq!(running.await.unwrap().1, Outcome::Completed);
    assert_eq!(drain.await.unwrap(), Drained { returned: 2, interrupted: 0 });
    assert_eq!(system.status()[0].state, ActorState::Stopped);
    assert_eq!(system.drain(Duration::ZERO).await, Drained::default(), "once is enough");
    let late = system.add(world.capability("payments")).await;
    assert_eq!(late.unwrap_err(), StartError::Stopped("payments"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_runs_past_the_deadline_is_interrupted_and_goes_back() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders").shards(2)).await.unwrap();
    let running = world.send(&handle, "wait").await;
    until("it is being done", || handle.status().iter().any(|shard| shard.in_flight == 1)).await;
    assert_eq!(system.drain(Duration::from_millis(20)).await, Drained { returned: 0, interrupted: 1 });
    assert_eq!(running.await.unwrap().1, Outcome::Returned);
    for shard in system.status() {
        assert_eq!((shard.state, shard.in_flight, shard.mailbox_depth), (ActorState::Stopped, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_does_not_wait_for_what_is_broken() {
    let world = World::new();
    let system = world.system();
    let hour = Duration::from_hours(1);
    let patient = Policy { backoff: Backoff { first: hour, last: hour }, ..brisk() };
    let restarting = system.add(world.capability("orders").policy(patient)).await.unwrap();
    let failed = system.add(world.capability("payments").policy(Policy { intensity: 0, ..brisk() })).await.unwrap();
    world.outcome(&restarting, "panic").await;
    world.outcome(&failed, "panic").await;
    until_state(&failed, ActorState::Failed).await;
    let waiting = world.send(&restarting, "go").await;
    assert_eq!(system.drain(hour).await, Drained { returned: 1, interrupted: 0 });
    assert_eq!(waiting.await.unwrap().1, Outcome::Returned);
    assert!(system.status().iter().all(|actor| actor.state == ActorState::Stopped));
    assert!(system.restart("payments").await.is_err(), "nothing rises again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_stop_in_the_reverse_order_of_their_start() {
    let world = World::new();
    let system = world.system();
    let ends = Arc::new(Mutex::new(Vec::new()));
    for name in ["first", "second", "third"] {
        let ends = ends.clone();
        let service = Service::new(name, move |stop| {
            let ends = ends.clone();
            async move {
                stop.cancelled().await;
                ends.lock().unwrap().push(name);
                Ok::<_, std::convert::Infallible>(())
            }
        });
        system.serve(service).await.unwrap();
    }
    let names: Vec<_> = system.status().iter().map(|actor| actor.capability).collect();
    assert_eq!(names, ["first", "second", "third"]);
    system.drain(Duration::from_mins(1)).await;
    assert_eq!(*ends.lock().unwrap(), ["third", "second", "first"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_is_dropped_answers_its_mail() {
    let world = World::new();
    let system = world.system();
    let handle = system.add(world.capability("orders")).await.unwrap();
    let running = world.send(&handle, "wait").await;
    until("the first is being done", || handle.status()[0].in_flight == 1).await;
    let waiting = world.send(&handle, "go").await;
    drop(system);
    assert_eq!(waiting.await.unwrap().1, Outcome::Returned);
    world.gate.add_permits(1);
    assert_eq!(running.await.unwrap().1, Outcome::Completed);
    assert_eq!(world.outcome(&handle, "go").await, Outcome::Returned);
}
