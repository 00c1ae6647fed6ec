//! Whether the process lives, and whether it should be sent requests.
//!
//! Promise: `/livez` depends on nothing but the process, so that an outage of the database restarts nobody;
//! `/readyz` answers within the checks' time limit whatever hangs, and asking it often costs no more than asking it
//! a few times a second. Reasons of failures are for operators and stay on their listener.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aide::{
    OperationInput, OperationOutput,
    axum::{ApiRouter, routing::get_with},
    generate::GenContext,
    openapi::{MediaType, Operation, Response as Described},
};
use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    extract::{Json, Query},
    openapi::Tell,
};

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
pub(super) fn public(readiness: &Readiness) -> ApiRouter {
    routes(readiness, Audience::Public)
}

/// The probes with reasons.
pub(super) fn operators(readiness: &Readiness) -> Router {
    routes(readiness, Audience::Operators).into()
}

fn routes(readiness: &Readiness, audience: Audience) -> ApiRouter {
    ApiRouter::new()
        .api_route("/livez", get_with(livez, |op| op.told("livez", "Ask whether the process lives").outside()))
        .api_route(
            "/readyz",
            get_with(readyz, |op| {
                op.told("readyz", "Ask whether the process can work")
                    .description("As text, or as JSON where `Accept` asks for it.")
                    .outside()
            }),
        )
        .with_path_items(|item| item.tag("operations"))
        .with_state((readiness.clone(), audience))
}

/// Whether each check is to be told.
struct Verbose(bool);

impl<S: Send + Sync> FromRequestParts<S> for Verbose {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query();
        Ok(Self(query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")))))
    }
}

/// Its presence alone counts.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes a query that is read by hand")]
struct VerboseQuery {
    /// There, with any value or none: each check is told.
    verbose: Option<String>,
}

impl OperationInput for Verbose {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Query::<VerboseQuery>::operation_input(ctx, operation);
        operation.extensions.clear();
    }
}

/// A report, as text or as JSON; `BUSY` where it may say that there is something wrong.
struct Reported<const BUSY: bool>(Response);

impl<const BUSY: bool> IntoResponse for Reported<BUSY> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<const BUSY: bool> OperationOutput for Reported<BUSY> {
    type Inner = ();

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut told = Json::<Report<'_>>::inferred_responses(ctx, operation);
        for (_, response) in &mut told {
            response.content.insert("text/plain".to_owned(), MediaType::default());
            "All is well.".clone_into(&mut response.description);
        }
        let busy = told.first().filter(|_| BUSY).cloned();
        told.extend(
            busy.map(|(_, response)| {
                (Some(503), Described { description: "Something is not.".to_owned(), ..response })
            }),
        );
        told
    }
}

async fn livez(_: Verbose, headers: HeaderMap) -> Reported<false> {
    let report = Report { status: "ok", checks: None };
    Reported(report.answer(StatusCode::OK, &headers))
}

async fn readyz(
    State((readiness, audience)): State<(Readiness, Audience)>,
    Verbose(verbose): Verbose,
    headers: HeaderMap,
) -> Reported<true> {
    let findings = readiness.findings().await;
    let draining = readiness.0.draining.load(Ordering::Relaxed);
    let ready = !draining && findings.iter().all(|finding| finding.reason.is_none());
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
    Reported(report.answer(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &headers))
}

/// How the process is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct Report<'a> {
    /// `ok`, `not ready`, or `draining` while it ends.
    status: &'static str,
    /// Each check, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Line<'a>>>,
}

/// What a check found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HealthCheck")]
struct Line<'a> {
    /// What is checked.
    name: &'static str,
    /// `ok` or `failed`.
    status: &'static str,
    /// Why; operators alone are told.
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
