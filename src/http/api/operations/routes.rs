//! The routes of the operators' view of the installation, as they are described.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};

use super::{actors, audit, checks, flags, jobs, ledger, queues, schedules, switches, system, usage};
use crate::{
    app::App,
    http::{Kind, openapi::Tell},
};

/// The routes.
pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(work())
        .merge(jobs())
        .merge(controls())
        .merge(books())
        .with_path_items(|item| item.tag("operations"))
}

/// Who does the work, and what sets it going.
fn work() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/actors",
            get_with(actors::list, |op| op.told("listActors", "List who does the work in the process that answers")),
        )
        .api_route(
            "/api/admin/actors/{actor}/restart",
            post_with(actors::restart, |op| op.told("restartActor", "Have a capability or service begin anew")),
        )
        .api_route(
            "/api/admin/queues",
            get_with(queues::list, |op| op.told("listQueues", "List queues, and how much waits in them")),
        )
        .api_route(
            "/api/admin/queues/{queue}/pause",
            post_with(queues::pause, |op| {
                op.told("pauseQueue", "Hold a queue")
                    .description("Nothing is claimed from it anywhere; what runs finishes.")
            }),
        )
        .api_route(
            "/api/admin/queues/{queue}/resume",
            post_with(queues::resume, |op| op.told("resumeQueue", "Let a queue go on")),
        )
        .api_route(
            "/api/admin/schedules",
            get_with(schedules::list, |op| op.told("listSchedules", "List what the clock sets going")),
        )
        .api_route(
            "/api/admin/schedules/{schedule}/run",
            post_with(schedules::run, |op| op.told("runSchedule", "Run a schedule at once, besides its times")),
        )
}

/// What waits, runs, is done and died.
fn jobs() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/jobs",
            get_with(jobs::list, |op| {
                op.told("listJobs", "List jobs")
                    .description("What looks like a secret in their arguments is not shown.")
            }),
        )
        .api_route("/api/admin/jobs/export", get_with(jobs::export, |op| op.told("exportJobs", "Fetch jobs as a file")))
        .api_route(
            "/api/admin/jobs/retry",
            post_with(jobs::retry_all, |op| {
                op.told("retryJobs", "Run all jobs again that fit")
                    .description("They must be named by state, queue, kind or group.")
            }),
        )
        .api_route(
            "/api/admin/jobs/{job}",
            get_with(jobs::show, |op| op.told("showJob", "Show a job with its arguments and what went wrong")),
        )
        .api_route(
            "/api/admin/jobs/{job}/retry",
            post_with(jobs::retry, |op| {
                op.told("retryJob", "Run a dead, cancelled or waiting job now").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/jobs/{job}/cancel",
            post_with(jobs::cancel, |op| {
                op.told("cancelJob", "Call a job off")
                    .description("One that runs is told to stop: 202.")
                    .may(&[Kind::Conflict])
            }),
        )
}

/// What an operator turns on and off.
fn controls() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/api/admin/flags", get_with(flags::list, |op| op.told("listFlags", "List flags")))
        .api_route(
            "/api/admin/flags/{flag}",
            get_with(flags::show, |op| op.told("showFlag", "Show a flag")).put_with(flags::set, |op| {
                op.told("setFlag", "Set a flag")
                    .description("One that nobody has set is at version 0: `If-Match: \"0\"`.")
            }),
        )
        .api_route(
            "/api/admin/flags/{flag}/clear",
            post_with(flags::clear, |op| op.told("clearFlag", "Set a flag back to its default")),
        )
        .api_route(
            "/api/admin/flags/{flag}/history",
            get_with(flags::history, |op| op.told("listFlagHistory", "List who changed a flag, when and why")),
        )
        .api_route(
            "/api/admin/switches",
            get_with(switches::list, |op| op.told("listSwitches", "List the kill switches")),
        )
        .api_route(
            "/api/admin/switches/{switch}",
            get_with(switches::show, |op| op.told("showSwitch", "Show a kill switch")),
        )
        .api_route(
            "/api/admin/switches/{switch}/kill",
            post_with(switches::kill, |op| {
                op.told("killSwitch", "Stop a capability").description("At once here, and within a second everywhere.")
            }),
        )
        .api_route(
            "/api/admin/switches/{switch}/restore",
            post_with(switches::restore, |op| op.told("restoreSwitch", "Let a capability go on")),
        )
        .api_route(
            "/api/admin/switches/{switch}/history",
            get_with(switches::history, |op| op.told("listSwitchHistory", "List who flipped a switch, when and why")),
        )
}

/// What happened, and whether it adds up.
fn books() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/api/admin/audit", get_with(audit::list, |op| op.told("listAuditEntries", "List who did what, and why")))
        .api_route("/api/admin/audit/export", get_with(audit::export, |op| op.told("exportAuditTrail", "Fetch the audit trail as a file").description("As JSON lines the sealed entries in the order of the chain, its head in the last line; as a table all entries in the order of the list. JSON lines if nothing is said.")))
        .api_route("/api/admin/audit/verify", get_with(audit::verify, |op| op.told("verifyAuditTrail", "Verify a part of the trail's chain").description("`verified` goes into the next request as `after`.")))
        .api_route("/api/admin/audit/{entry}", get_with(audit::show, |op| op.told("showAuditEntry", "Show an entry of the trail")))
        .api_route("/api/admin/ledger/balances", get_with(ledger::balances, |op| op.told("listLedgerBalances", "List what the ledger's accounts hold").description("Debits are positive.")))
        .api_route("/api/admin/ledger/trial-balance", get_with(ledger::trial_balance, |op| op.told("showTrialBalance", "Show whether the books balance").description("Reads all entries.")))
        .api_route("/api/admin/ledger/entries", get_with(ledger::entries, |op| op.told("listLedgerEntries", "List entries of the ledger")))
        .api_route("/api/admin/ledger/entries/export", get_with(ledger::export, |op| op.told("exportLedgerEntries", "Fetch entries of the ledger as a file")))
        .api_route("/api/admin/ledger/transactions", get_with(ledger::transactions, |op| op.told("listLedgerTransactions", "List transactions of the ledger")))
        .api_route("/api/admin/ledger/transactions/{transaction}", get_with(ledger::transaction, |op| op.told("showLedgerTransaction", "Show a transaction with its entries")))
        .api_route("/api/admin/usage", get_with(usage::list, |op| op.told("listUsage", "List what was used, by hour, day or month").description("The latest periods first, a thousand rows at most: narrow `from` and `until` for others.")))
        .api_route("/api/admin/checks", get_with(checks::run, |op| op.told("runChecks", "Look whether all is well").description("Jobs, queues, switches, books, papers and orders. The trail has a check of its own.")))
        .api_route("/api/admin/system", get_with(system::show, |op| op.told("showSystem", "Show what runs here, on what, since when")))
}
