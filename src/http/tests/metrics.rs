use std::collections::BTreeSet;

use axum::{Router, body::Body, routing};

use super::{Front, Readiness, front, get, ids, options, request, send};
use crate::telemetry::Metrics;

/// The label sets of a metric, e.g. `method="GET",route="/x",status="200"`.
fn labels(text: &str, metric: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split_once("} "))
        .map(|(labels, _)| labels.to_owned())
        .collect()
}

#[tokio::test]
async fn requests_are_counted_by_template_and_random_paths_add_no_labels() {
    let metrics = Metrics::install().expect("a recorder");
    let router = front(Router::new().route("/red/{id}", routing::get(|| async { "ok" })));
    for number in 0..50 {
        get(&router, &format!("/red/{number}")).await;
        get(&router, &format!("/random/{number}/x")).await;
        let method = format!("METHOD{number}");
        send(&router, request(&method, "/red/1").body(Body::empty()).expect("valid")).await;
    }
    let text = metrics.render();
    let requests = labels(&text, "mintreu_http_requests_total");
    let ours: Vec<_> = requests.iter().filter(|labels| labels.contains("/red/")).map(String::as_str).collect();
    let expected =
        [r#"method="GET",route="/red/{id}",status="200""#, r#"method="OTHER",route="/red/{id}",status="405""#];
    assert_eq!(ours, expected);
    assert!(!text.contains("/random/") && !text.contains("METHOD1"), "a client made a label");
    assert!(requests.iter().any(|labels| labels.contains(r#"route="unmatched",status="404""#)), "{requests:?}");
    assert!(
        text.contains(r#"mintreu_http_request_duration_seconds_bucket{method="GET",route="/red/{id}",le="10"} 50"#)
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_all_the_same() {
    let metrics = Metrics::install().expect("a recorder");
    let router = front(Router::new().route("/left", routing::get(std::future::pending::<String>)));
    let mut asking = Box::pin(get(&router, "/left"));
    assert!(futures::poll!(asking.as_mut()).is_pending());
    drop(asking);
    let line = r#"mintreu_http_requests_total{method="GET",route="/left",status="499"} 1"#;
    assert!(metrics.render().contains(line), "{}", metrics.render());
}

#[tokio::test]
async fn every_line_of_the_scrape_is_in_the_exposition_format() {
    let metrics = Metrics::install().expect("a recorder");
    let front = Front::new(options(), ids(), Readiness::new(Vec::new()));
    get(&front.router(Router::new()), "/livez").await;
    metrics::counter!("mintreu_test_escapes_total", "label" => "a\"b\\c\nd").increment(1);
    let operations = front.operations(&metrics);
    let answer = get(&operations, "/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.body.lines().count() > 30, "{}", answer.body);
    for line in answer.body.lines() {
        assert!(is_exposition(line), "{line}");
    }
    for broken in ["metric", "metric{a=b} 1", "metric{a=\"b\" 1", "1metric 1", "# TYPE metric thing", "metric one"] {
        assert!(!is_exposition(broken), "the test itself must refuse {broken}");
    }
    assert_eq!(get(&operations, "/nowhere").await.status, 404);
}

/// Whether a line is a comment or a sample: the Prometheus text format 0.0.4.
fn is_exposition(line: &str) -> bool {
    if let Some(comment) = line.strip_prefix("# ") {
        let mut words = comment.splitn(3, ' ');
        let (what, name, rest) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        return match what {
            Some("HELP") => is_name(name),
            Some("TYPE") => is_name(name) && ["counter", "gauge", "histogram", "summary"].contains(&rest),
            _ => false,
        };
    }
    if line.is_empty() {
        return true;
    }
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let value = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels),
        None => Some(rest),
    };
    let number = |text: &str| ["+Inf", "-Inf", "NaN"].contains(&text) || text.parse::<f64>().is_ok();
    is_name(name) && value.and_then(|value| value.strip_prefix(' ')).is_some_and(number)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == ':')
}

/// What follows the closing brace of a label set.
fn after_labels(mut rest: &str) -> Option<&str> {
    loop {
        let (name, value) = rest.split_once("=\"")?;
        is_name(name).then_some(())?;
        let mut escaped = false;
        let close = value.find(|it| {
            let ends = it == '"' && !escaped;
            escaped = it == '\\' && !escaped;
            ends
        })?;
        rest = &value[close + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.strip_prefix('}'),
        }
    }
}
