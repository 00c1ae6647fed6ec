use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use serde_json::{Value, json};

use super::{Answer, Front, Readiness, get, ids, options, request, send};
use crate::{
    http::{Check, check},
    telemetry::Metrics,
};

/// The routers of both listeners.
fn routers(checks: Vec<Arc<dyn Check>>) -> (Router, Router, Readiness) {
    let readiness = Readiness::with_limits(checks, Duration::from_millis(100), Duration::ZERO);
    let front = Front::new(options(), ids(), readiness.clone());
    (front.router(Router::new()), front.operations(&Metrics::install().expect("a recorder")), readiness)
}

fn good(name: &'static str) -> Arc<dyn Check> {
    check(name, || async { Ok(()) })
}

async fn json_of(router: &Router, uri: &str) -> (Answer, Value) {
    let builder = request("GET", uri).header("accept", "application/json");
    let answer = send(router, builder.body(Body::empty()).expect("valid")).await;
    let value = serde_json::from_str(&answer.body).expect("JSON");
    (answer, value)
}

#[tokio::test]
async fn a_process_lives_whatever_fails() {
    let (public, operators, _) = routers(vec![check("database", || async { Err("gone".to_owned()) })]);
    for router in [&public, &operators] {
        let answer = get(router, "/livez").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "ok\n"));
    }
}

#[tokio::test]
async fn ready_when_all_checks_pass() {
    let (public, _, _) = routers(vec![good("database"), good("schema")]);
    let brief = get(&public, "/readyz").await;
    assert_eq!((brief.status.as_u16(), brief.body.as_str()), (200, "ok\n"));
    assert_eq!(brief.header("cache-control"), "no-store");
    for uri in ["/readyz?verbose", "/readyz?verbose=1", "/readyz?a=b&verbose"] {
        assert_eq!(get(&public, uri).await.body, "[+]database ok\n[+]schema ok\nok\n", "{uri}");
    }
    let (answer, document) = json_of(&public, "/readyz?verbose").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let checks = json!([{"name": "database", "status": "ok"}, {"name": "schema", "status": "ok"}]);
    assert_eq!(document, json!({"status": "ok", "checks": checks}));
    assert_eq!(json_of(&public, "/readyz").await.1, json!({"status": "ok"}));
}

#[tokio::test]
async fn one_failure_is_enough_and_only_operators_read_the_reason() {
    let (public, operators, _) =
        routers(vec![good("database"), check("queue", || async { Err("worker at 10.0.0.7\nis gone".to_owned()) })]);
    let brief = get(&public, "/readyz").await;
    assert_eq!((brief.status.as_u16(), brief.body.as_str()), (503, "not ready\n"));
    let verbose = get(&public, "/readyz?verbose").await;
    assert_eq!(verbose.status, 503);
    assert_eq!(verbose.body, "[+]database ok\n[-]queue failed\nnot ready\n");
    assert!(!json_of(&public, "/readyz?verbose").await.0.body.contains("10.0.0.7"));
    let told = get(&operators, "/readyz?verbose").await;
    assert_eq!(told.body, "[+]database ok\n[-]queue failed: worker at 10.0.0.7 is gone\nnot ready\n");
    assert_eq!(json_of(&operators, "/readyz?verbose").await.1["checks"][1]["reason"], "worker at 10.0.0.7\nis gone");
}

#[tokio::test]
async fn a_check_that_hangs_or_panics_fails_alone() {
    let (_, operators, _) = routers(vec![
        check("hangs", std::future::pending),
        check("panics", || async { panic!("oh") }),
        check("panics_at_once", || -> std::future::Ready<Result<(), String>> { panic!("oh") }),
        good("database"),
    ]);
    let answer = get(&operators, "/readyz?verbose").await;
    assert_eq!(
        answer.body,
        "[-]hangs failed: no answer within 100 ms\n[-]panics failed: the check panicked\n\
         [-]panics_at_once failed: the check panicked\n[+]database ok\nnot ready\n"
    );
}

#[tokio::test]
async fn a_draining_process_is_not_ready_but_lives() {
    let (public, _, readiness) = routers(vec![good("database")]);
    readiness.drain();
    let answer = get(&public, "/readyz?verbose").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, "[+]database ok\ndraining\n"));
    assert_eq!(get(&public, "/livez").await.status, 200);
}

#[tokio::test]
async fn many_questions_within_a_moment_cost_one_check() {
    for (fresh, expected) in [(Duration::from_hours(1), 1), (Duration::ZERO, 50)] {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let database = check("database", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Ok(())
            }
        });
        let readiness = Readiness::with_limits(vec![database], Duration::from_secs(10), fresh);
        let router = Front::new(options(), ids(), readiness).router(Router::new());
        let answers = futures::future::join_all((0..50).map(|_| get(&router, "/readyz"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert_eq!(runs.load(Ordering::Relaxed), expected, "findings stay fresh for {fresh:?}");
    }
}
