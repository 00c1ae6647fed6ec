//! How the installation runs, for operators: actors, jobs, queues, schedules, flags and kill switches, the trail, the
//! books, usage, and whether all is well.

mod actors;
mod audit;
mod checks;
mod flags;
mod jobs;
mod ledger;
mod queues;
mod schedules;
mod switches;
mod system;
mod usage;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    app::App,
    audit::Entry,
    http::{Admin, Context},
    kernel::Page,
};

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().merge(work()).merge(controls()).merge(books())
}

/// Who does the work, and what waits for them.
fn work() -> Router<App> {
    Router::new()
        .route("/api/admin/actors", get(actors::list))
        .route("/api/admin/actors/{actor}/restart", post(actors::restart))
        .route("/api/admin/jobs", get(jobs::list))
        .route("/api/admin/jobs/export", get(jobs::export))
        .route("/api/admin/jobs/retry", post(jobs::retry_all))
        .route("/api/admin/jobs/{job}", get(jobs::show))
        .route("/api/admin/jobs/{job}/retry", post(jobs::retry))
        .route("/api/admin/jobs/{job}/cancel", post(jobs::cancel))
        .route("/api/admin/queues", get(queues::list))
        .route("/api/admin/queues/{queue}/pause", post(queues::pause))
        .route("/api/admin/queues/{queue}/resume", post(queues::resume))
        .route("/api/admin/schedules", get(schedules::list))
        .route("/api/admin/schedules/{schedule}/run", post(schedules::run))
}

/// What an operator turns on and off.
fn controls() -> Router<App> {
    Router::new()
        .route("/api/admin/flags", get(flags::list))
        .route("/api/admin/flags/{flag}", get(flags::show).put(flags::set))
        .route("/api/admin/flags/{flag}/clear", post(flags::clear))
        .route("/api/admin/flags/{flag}/history", get(flags::history))
        .route("/api/admin/switches", get(switches::list))
        .route("/api/admin/switches/{switch}", get(switches::show))
        .route("/api/admin/switches/{switch}/kill", post(switches::kill))
        .route("/api/admin/switches/{switch}/restore", post(switches::restore))
        .route("/api/admin/switches/{switch}/history", get(switches::history))
}

/// What happened, and whether it adds up.
fn books() -> Router<App> {
    Router::new()
        .route("/api/admin/audit", get(audit::list))
        .route("/api/admin/audit/export", get(audit::export))
        .route("/api/admin/audit/verify", get(audit::verify))
        .route("/api/admin/audit/{entry}", get(audit::show))
        .route("/api/admin/ledger/balances", get(ledger::balances))
        .route("/api/admin/ledger/trial-balance", get(ledger::trial_balance))
        .route("/api/admin/ledger/entries", get(ledger::entries))
        .route("/api/admin/ledger/entries/export", get(ledger::export))
        .route("/api/admin/ledger/transactions", get(ledger::transactions))
        .route("/api/admin/ledger/transactions/{transaction}", get(ledger::transaction))
        .route("/api/admin/usage", get(usage::list))
        .route("/api/admin/checks", get(checks::run))
        .route("/api/admin/system", get(system::show))
}

/// All of a list that is short.
fn whole<T>(data: Vec<T>) -> Page<T> {
    Page { data, has_more: false, next_cursor: None }
}

/// An entry of what an operator does, and why.
fn did(who: (&Admin, &Context), action: &'static str, thing: (&'static str, &str), why: &str) -> Entry {
    let (admin, context) = who;
    Entry::new(admin.actor(), action, thing.0, thing.1).reason(why).request(context.request_id().to_owned())
}
