use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing};
use tokio::sync::Notify;

use super::{Front, FrontOptions, Readiness, front, get, ids, options, post, request, send};
use crate::http::{Json, under_switch};

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_answered() {
    async fn fall() -> &'static str {
        panic!("the database password is hunter2")
    }
    let router =
        front(Router::new().route("/fall", routing::get(fall)).route("/stand", routing::get(|| async { "ok" })));
    let answer = get(&router, "/fall").await;
    let document = answer.problem("internal");
    assert_eq!(answer.status, 500);
    assert!(document.get("detail").is_none() && !answer.body.contains("hunter2"), "{document}");
    assert_eq!(get(&router, "/stand").await.body, "ok");
}

fn hurried(app: Router) -> Router {
    let options = FrontOptions { request_timeout: Duration::from_millis(50), ..options() };
    Front::new(options, ids(), Readiness::new(Vec::new())).router(app)
}

#[tokio::test]
async fn what_is_not_answered_in_time_is_given_up() {
    let router = hurried(Router::new().route("/hang", routing::get(std::future::pending::<String>)));
    let answer = get(&router, "/hang").await;
    answer.problem("request-timeout");
    assert_eq!(answer.status, 408);
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let router = hurried(Router::new().route("/take", routing::post(|Json(it): Json<String>| async { it })));
    let trickle = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    post(&router, "/take", Body::from_stream(trickle)).await.problem("request-timeout");
}

#[tokio::test]
async fn a_head_above_the_limit_is_refused_and_one_below_is_not() {
    let router = front(Router::new().route("/it", routing::get(|| async { "ok" })));
    let with = |length: usize| {
        let builder = request("GET", "/it").header("x-filler", "x".repeat(length));
        send(&router, builder.body(Body::empty()).expect("valid"))
    };
    assert_eq!(with(1_900).await.status, 200);
    let answer = with(2_000).await;
    answer.problem("headers-too-large");
    assert_eq!(answer.status, 431);
    get(&router, &format!("/it?{}", "x".repeat(2_000))).await.problem("headers-too-large");
}

#[tokio::test]
async fn more_requests_than_places_are_refused_and_probes_are_not() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, leave) = (entered.clone(), leave.clone());
        move || async move {
            entered.notify_one();
            leave.notified().await;
            "done"
        }
    };
    let options = FrontOptions { max_in_flight: 1, ..options() };
    let router = Front::new(options, ids(), Readiness::new(Vec::new()))
        .router(Router::new().route("/slow", routing::get(handler)));
    let first = tokio::spawn({
        let router = router.clone();
        async move { get(&router, "/slow").await }
    });
    entered.notified().await;
    let refused = get(&router, "/slow").await;
    let document = refused.problem("temporary-reduced-capacity");
    assert_eq!(document["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    assert_eq!(get(&router, "/livez").await.status, 200);
    assert_eq!(get(&router, "/readyz").await.status, 200);
    leave.notify_one();
    assert_eq!(first.await.expect("no panic").body, "done");
    leave.notify_one();
    assert_eq!(get(&router, "/slow").await.body, "done", "the place is free again");
}

#[tokio::test]
async fn a_killed_capability_refuses_and_its_neighbours_go_on() {
    let killed = Arc::new(AtomicBool::new(false));
    let asked = killed.clone();
    let orders = Router::new().route("/orders", routing::get(|| async { "orders" }));
    let app = under_switch(orders, "payments", move || asked.load(Ordering::Relaxed))
        .merge(Router::new().route("/webhooks", routing::get(|| async { "webhooks" })));
    let router = front(app);
    assert_eq!(get(&router, "/orders").await.body, "orders");
    killed.store(true, Ordering::Relaxed);
    let answer = get(&router, "/orders").await;
    assert_eq!(answer.problem("capability-disabled")["capability"], "payments");
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "30"));
    assert_eq!(get(&router, "/webhooks").await.body, "webhooks");
    get(&router, "/nowhere").await.problem("not-found");
    killed.store(false, Ordering::Relaxed);
    assert_eq!(get(&router, "/orders").await.body, "orders");
}
