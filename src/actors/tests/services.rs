//! Services: restarted when they fall, left alone when they end, stopped when told to.

use tokio_util::sync::CancellationToken;

use super::*;

/// A service that panics, then errs, then runs until it is stopped.
fn clumsy(starts: &Arc<AtomicUsize>, falls: usize) -> Service {
    let starts = starts.clone();
    let run = move |stop: CancellationToken| {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        async move {
            match start {
                0 if falls > 0 => panic!("slipped"),
                _ if start < falls => Err(format!("tired {start}")),
                _ => {
                    stop.cancelled().await;
                    Ok(())
                }
            }
        }
    };
    Service::new("sealer", run).policy(brisk())
}

fn sealer(system: &System) -> ActorStatus {
    system.status().into_iter().find(|actor| actor.capability == "sealer").expect("there is one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_restarted_after_a_panic_and_after_an_error() {
    let world = World::new();
    let system = world.system();
    let starts = Arc::new(AtomicUsize::new(0));
    system.serve(clumsy(&starts, 2)).await.unwrap();
    until("up the third time", || starts.load(Ordering::SeqCst) == 3).await;
    until("running", || sealer(&system).state == ActorState::Running).await;
    let status = sealer(&system);
    assert_eq!((status.restarts, status.last_error.as_deref()), (2, Some("tired 1")));
    system.drain(Duration::from_mins(1)).await;
    assert_eq!(sealer(&system).state, ActorState::Stopped);
    assert_eq!(starts.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_past_its_intensity_fails_and_an_operator_can_restart_it() {
    let world = World::new();
    let system = world.system();
    let starts = Arc::new(AtomicUsize::new(0));
    system.serve(clumsy(&starts, 6)).await.unwrap();
    until("failed", || system.failed() == ["sealer"]).await;
    assert_eq!((starts.load(Ordering::SeqCst), sealer(&system).restarts), (6, 6));
    system.restart("sealer").await.unwrap();
    until("running", || sealer(&system).state == ActorState::Running).await;
    // Once more, while it is well: it is told to stop, and begins anew.
    system.restart("sealer").await.unwrap();
    until("begun anew", || starts.load(Ordering::SeqCst) == 8).await;
    assert_eq!(sealer(&system).restarts, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ends_well_is_left_alone() {
    let world = World::new();
    let system = world.system();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let service = Service::new("sealer", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, std::convert::Infallible>(()) }
    });
    system.serve(service).await.unwrap();
    until("stopped", || runs.load(Ordering::SeqCst) == 1 && sealer(&system).state == ActorState::Stopped).await;
    assert_eq!(sealer(&system).restarts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_listen_is_interrupted() {
    let world = World::new();
    let system = world.system();
    let witness = Arc::new(());
    let shared = witness.clone();
    let deaf = Service::new("sealer", move |_| {
        let mine = shared.clone();
        async move {
            std::future::pending::<()>().await;
            drop(mine);
            Ok::<_, std::convert::Infallible>(())
        }
    });
    system.serve(deaf).await.unwrap();
    until("running", || Arc::strong_count(&witness) == 3).await;
    system.drain(Duration::ZERO).await;
    assert_eq!(sealer(&system).state, ActorState::Stopped);
    // The run is gone; with it and the shell, all that held on.
    assert_eq!(Arc::strong_count(&witness), 1);
}
