//! Whether the process lives, and whether it should be sent requests.
//!
//! Promise: `/livez` depends on nothing but the process, so that an outage of the database restarts nobody;
//! `/readyz` answers within the checks' time limit whatever hangs, and asking it often costs no more than asking it
//! a few times a second. Reasons of failures are for operators and stay on their listener.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing,
};
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};

use super::extract::Json;

/// One thing that must work before requests are welcome.
pub trait Check: Send + Sync + 'static {
    /// Its name on the list, e.g. `database`.
    fn name(&self) -> &'static str;

    /// Resolves to the reason when it does not work. The reason is shown to operators only.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// A check made of a name and a closure.
pub fn check<F, W>(name: &'static str, work: F) -> Arc<dyn Check>
where
    F: Fn() -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), String>> + Send + 'static,
{
    struct Named<F>(&'static str, F);
    impl<F, W> Check for Named<F>
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), String>> + Send + 'static,
    {
        fn name(&self) -> &'static str {
            self.0
        }
        fn check(&self) -> BoxFuture<'_, Result<(), String>> {
            (self.1)().boxed()
        }
    }
    Arc::new(Named(name, work))
}

/// The checks, and whether the process is about to end; clones share it.
#[derive(Clone)]
pub struct Readiness(Arc<Shared>);

struct Shared {
    checks: Vec<Arc<dyn Check>>,
    limit: Duration,
    fresh: Duration,
    draining: AtomicBool,
    last: Mutex<Option<(Instant, Arc<[Finding]>)>>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.0.checks.iter().map(|check| check.name()).collect();
        f.debug_struct("Readiness").field("checks", &names).finish_non_exhaustive()
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    name: &'static str,
    reason: Option<String>,
}

impl Readiness {
    /// Ready when all `checks` pass, each within 2 s.
    #[must_use]
    pub fn new(checks: Vec<Arc<dyn Check>>) -> Self {
        Self::with_limits(checks, Duration::from_secs(2), Duration::from_millis(200))
    }

    /// The same with other times: `limit` for each check, and for how long its finding is not asked for again.
    #[must_use]
    pub fn with_limits(checks: Vec<Arc<dyn Check>>, limit: Duration, fresh: Duration) -> Self {
        Self(Arc::new(Shared { checks, limit, fresh, draining: AtomicBool::new(false), last: Mutex::new(None) }))
    }

    /// From now on `/readyz` says that the process is about to end, so that balancers send requests elsewhere.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    async fn findings(&self) -> Arc<[Finding]> {
        // Whoever asks meanwhile waits for the same findings.
        let mut last = self.0.last.lock().await;
        if let Some((at, findings)) = &*last
            && at.elapsed() < self.0.fresh
        {
            return findings.clone();
        }
        let findings: Arc<[Finding]> =
            futures::future::join_all(self.0.checks.iter().map(|check| self.find(&**check))).await.into();
        for finding in &*findings {
            let ok = f64::from(u8::from(finding.reason.is_none()));
            metrics::gauge!("mintreu_ready", "check" => finding.name).set(ok);
            let before = last.as_ref().and_then(|(_, before)| before.iter().find(|it| it.name == finding.name));
            match (&finding.reason, before.is_some_and(|it| it.reason.is_some())) {
                (Some(reason), false) => tracing::warn!(check = finding.name, reason, "not ready"),
                (None, true) => tracing::info!(check = finding.name, "ready again"),
                (Some(_), true) | (None, false) => {}
            }
        }
        *last = Some((Instant::now(), findings.clone()));
        findings
    }

    async fn find(&self, check: &dyn Check) -> Finding {
        let limit = self.0.limit;
        // The closure of a check runs inside the guard too.
        let guarded = AssertUnwindSafe(async { check.check().await }).catch_unwind();
        let reason = match tokio::time::timeout(limit, guarded).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(reason))) => Some(reason),
            Ok(Err(_panic)) => Some("the check panicked".to_owned()),
            Err(_elapsed) => Some(format!("no answer within {} ms", limit.as_millis())),
        };
        Finding { name: check.name(), reason }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Public,
    Operators,
}

/// The probes without reasons.
pub(super) fn public(readiness: &Readiness) -> Router {
    routes(readiness, Audience::Public)
}

/// The probes with reasons.
pub(super) fn operators(readiness: &Readiness) -> Router {
    routes(readiness, Audience::Operators)
}

fn routes(readiness: &Readiness, audience: Audience) -> Router {
    Router::new()
        .route("/livez", routing::get(livez))
        .route("/readyz", routing::get(readyz))
        .with_state((readiness.clone(), audience))
}

async fn livez(headers: HeaderMap) -> Response {
    let report = Report { status: "ok", checks: None };
    report.answer(StatusCode::OK, &headers)
}

async fn readyz(
    State((readiness, audience)): State<(Readiness, Audience)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let findings = readiness.findings().await;
    let draining = readiness.0.draining.load(Ordering::Relaxed);
    let ready = !draining && findings.iter().all(|finding| finding.reason.is_none());
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    let report = Report {
        status: if draining {
            "draining"
        } else if ready {
            "ok"
        } else {
            "not ready"
        },
        checks: verbose.then(|| findings.iter().map(|finding| Line::of(finding, audience)).collect()),
    };
    report.answer(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &headers)
}

#[derive(Serialize)]
struct Report<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Line<'a>>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(finding: &'a Finding, audience: Audience) -> Self {
        let (status, reason) = match (&finding.reason, audience) {
            (None, _) => ("ok", None),
            (Some(_), Audience::Public) => ("failed", None),
            (Some(reason), Audience::Operators) => ("failed", Some(reason.as_str())),
        };
        Self { name: finding.name, status, reason }
    }
}

impl Report<'_> {
    fn answer(&self, status: StatusCode, headers: &HeaderMap) -> Response {
        let accepts = |value: &header::HeaderValue| value.to_str().is_ok_and(|text| text.contains("application/json"));
        let cache = [(header::CACHE_CONTROL, "no-store")];
        if headers.get(header::ACCEPT).is_some_and(accepts) {
            (status, cache, Json(self)).into_response()
        } else {
            (status, cache, self.text()).into_response()
        }
    }

    /// As Kubernetes writes it.
    fn text(&self) -> String {
        let lines = self.checks.iter().flatten().map(|Line { name, status, reason }| {
            let mark = if *status == "ok" { '+' } else { '-' };
            let reason = reason.map(|reason| format!(": {}", reason.replace(['\r', '\n'], " "))).unwrap_or_default();
            format!("[{mark}]{name} {status}{reason}\n")
        });
        let last = format!("{}\n", self.status);
        lines.chain([last]).collect()
    }
}
