//! Every metric of the program, with its unit and what it means: the list that dashboards and alerts are written from.
//!
//! The rooms emit through the `metrics` macros and need not know this list; it gives their metrics `# HELP` lines.

use metrics::Unit;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts samples by size.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is counted in.
    pub unit: Unit,
    /// One sentence for those who read it.
    pub help: &'static str,
    /// A counter without labels that is shown as 0 before its first event: Prometheus cannot see the step from nothing
    /// to 1, and that step is the one to be woken for.
    pub from_zero: bool,
}

/// Counts what should not happen.
const fn alarm(name: &'static str, help: &'static str) -> Metric {
    Metric { from_zero: true, ..count(name, help) }
}

const fn count(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, help, from_zero: false }
}

const fn level(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Unit::Count, help, from_zero: false }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help, from_zero: false }
}

const fn seconds(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: Unit::Seconds, help, from_zero: false }
}

const fn sizes(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: Unit::Count, help, from_zero: false }
}

/// All of them, by room. The process's own (`mintreu_process_*`) are described where they are read.
pub const METRICS: &[Metric] = &[
    level("mintreu_build_info", "Always 1; the labels tell which build runs."),
    // The front.
    count("mintreu_http_requests_total", "Requests answered, by method, route template and status; 499 left early."),
    seconds("mintreu_http_request_duration_seconds", "From the request's head to the answer's head."),
    level("mintreu_http_requests_in_flight", "Requests being answered."),
    alarm("mintreu_http_panics_total", "Handlers that panicked; each is a defect."),
    alarm("mintreu_http_shed_total", "Requests refused because too many were being answered."),
    alarm("mintreu_http_timeouts_total", "Requests that were not answered in time."),
    count("mintreu_http_refused_by_switch_total", "Requests refused because an operator switched the capability off."),
    level("mintreu_http_connections", "Open connections."),
    level("mintreu_ready", "1 when the named readiness check passed last, else 0."),
    count("mintreu_http_rate_limited_total", "Requests refused by a rate limit, by limit."),
    // Accounts and mail.
    count("mintreu_logins_total", "Tries to sign in, by what became of them."),
    count("mintreu_mail_reports_total", "What providers and servers told of mails later, by kind and outcome."),
    alarm("mintreu_mail_bounces_total", "Addresses of which a server said that nobody is there."),
    count(
        "mintreu_mails_total",
        "Mails, by outcome: sent, already sent, suppressed, refused for good, failed and tried again, or unknown: the server \
         did not say whether it took it.",
    ),
    // Payments.
    count("mintreu_webhooks_total", "Deliveries of payment providers, by provider and by what became of them."),
    count("mintreu_webhooks_duplicates_total", "Handlings that found their event known or handled already."),
    count("mintreu_webhooks_purged_total", "Events deleted after their retention."),
    count("mintreu_webhooks_handled_total", "Events of payment providers handled, by provider and outcome."),
    count("mintreu_provider_calls_total", "Calls to payment providers, by provider, operation and outcome."),
    seconds("mintreu_provider_duration_seconds", "How long a call to a payment provider took, by operation."),
    level(
        "mintreu_provider_breaker_open",
        "1 while a provider that failed several times in a row is left alone, else 0.",
    ),
    // Orders.
    count("mintreu_orders_opened_total", "Orders opened, by provider."),
    count("mintreu_orders_paid_total", "Orders that became paid, by provider."),
    count("mintreu_orders_reconciled_total", "Orders that became paid because the provider was asked, by provider."),
    count("mintreu_orders_flagged_total", "Orders marked for a person to look at."),
    seconds("mintreu_orders_fulfilment_seconds", "From an order's payment to its licences."),
    // Invoices.
    count("mintreu_invoices_issued_total", "Invoices and credit notes issued, by kind."),
    alarm("mintreu_invoices_failures_total", "Tries to issue invoices that failed; what is due waits."),
    gauge(
        "mintreu_invoices_due_age_seconds",
        Unit::Seconds,
        "How long what is due longest has waited for its invoice.",
    ),
    // Licences.
    count("mintreu_license_validations_total", "Answered questions about licences, by code."),
    count("mintreu_license_lookups_total", "Licences looked up, by where they were found."),
    gauge(
        "mintreu_license_cache_age_seconds",
        Unit::Seconds,
        "How long ago all licences in memory were known to be true.",
    ),
    // Downloads.
    count("mintreu_api_key_authentications_total", "API keys that were presented, by outcome."),
    count("mintreu_api_key_lookups_total", "What API keys stand for, looked up, by where it was found."),
    count("mintreu_credential_hook_calls_total", "Calls of vendors' hooks, by event and outcome."),
    count("mintreu_download_links_total", "Links to downloads that were given out."),
    count("mintreu_downloads_total", "Attempts to download, when they begin and when they end, by status."),
    count("mintreu_download_bytes_total", "Bytes of files sent through this program."),
    count("mintreu_download_verifications_total", "Looks at sources of files, by outcome: ok, not_now or broken."),
    // Support.
    count("mintreu_tickets_opened_total", "Tickets opened, by category."),
    count("mintreu_ticket_messages_total", "Messages written on tickets, by who wrote and how it came."),
    count("mintreu_tickets_late_total", "Targets of tickets that were missed, by clock."),
    count("mintreu_data_exports_total", "Archives of people's data, by what became of them."),
    count("mintreu_accounts_deleted_total", "Accounts whose people were erased."),
    count("mintreu_support_mails_total", "Mails that came in, by what became of them."),
    count("mintreu_attachments_refused_total", "Files that were refused for what is in them, by reason."),
    // The database.
    count("mintreu_db_statements_total", "Statements sent, by whether a transaction sent them or a reader."),
    seconds("mintreu_db_wait_seconds", "How long a transaction waited for its connection."),
    seconds("mintreu_db_hold_seconds", "How long a transaction was held, until its commit began."),
    seconds("mintreu_db_commit_seconds", "How long a group's COMMIT took."),
    seconds("mintreu_db_flush_seconds", "How long the disk took to keep what was committed."),
    gauge("mintreu_db_log_bytes", Unit::Bytes, "Size of the write-ahead log when it was looked after last."),
    sizes("mintreu_db_commit_group_size", "How many transactions shared a COMMIT."),
    count("mintreu_db_transactions_total", "Transactions, by outcome: committed, rolled_back or failed."),
    // The queue.
    sizes("mintreu_jobs_claim_batch_size", "How many jobs a claim took."),
    count("mintreu_jobs_claim_errors_total", "Claims that the database refused."),
    sizes("mintreu_jobs_settle_batch_size", "How many outcomes were recorded together."),
    alarm("mintreu_jobs_settle_errors_total", "Outcomes that could not be recorded at first."),
    alarm("mintreu_jobs_lease_lost_total", "Attempts whose lease had passed to another worker."),
    alarm("mintreu_jobs_worker_leases_lost_total", "Times that a worker lost its own registration."),
    alarm("mintreu_jobs_reclaimed_total", "Jobs taken back from workers that died or stalled."),
    count("mintreu_jobs_worker_restarts_total", "Restarts of a queue's worker after an error of its feed."),
    count("mintreu_jobs_schedules_fired_total", "Jobs enqueued by a schedule."),
    count("mintreu_jobs_finished_total", "Attempts that ended, by queue, kind and outcome."),
    seconds("mintreu_jobs_duration_seconds", "How long an attempt took, by queue and kind."),
    count("mintreu_jobs_purged_total", "Ended jobs deleted after their retention."),
    level("mintreu_jobs_waiting", "Jobs that are due and wait, by queue."),
    level("mintreu_jobs_dead", "Jobs that are dead and wait for an operator, by queue."),
    gauge("mintreu_jobs_lag_seconds", Unit::Seconds, "How long the oldest due job has waited, by queue."),
    // The actors.
    level("mintreu_actor_failed", "1 when a capability or service has failed, else 0."),
    level("mintreu_actor_in_flight", "Jobs that a capability is doing."),
    level("mintreu_actor_mailbox_depth", "Jobs that wait in the mailboxes of a capability."),
    count("mintreu_actor_restarts_total", "Falls of an actor or service: panics, errors of a service."),
    count("mintreu_actor_jobs_total", "Jobs answered by a capability, by outcome."),
    seconds("mintreu_actor_job_duration_seconds", "Time that a handler took for a job."),
    // Flags and switches.
    count("mintreu_flags_evaluations_total", "Evaluations, by flag and by what decided."),
    level("mintreu_flags_switch_killed", "1 when the switch is killed, else 0."),
    gauge("mintreu_flags_snapshot_age_seconds", Unit::Seconds, "How long ago the database last confirmed the flags."),
    alarm("mintreu_flags_unreadable_total", "Stored flags that this program could not read."),
    // The audit trail.
    count("mintreu_audit_sealed_total", "Entries sealed into the chain."),
    alarm("mintreu_audit_seal_failures_total", "Times that sealing failed."),
    alarm("mintreu_audit_head_regressions_total", "Times that the chain was found shorter than it was before."),
    level("mintreu_audit_head_sequence", "How many entries the chain has."),
    gauge("mintreu_audit_unsealed_age_seconds", Unit::Seconds, "Age of the oldest entry that is not sealed."),
    // Usage.
    count("mintreu_usage_recorded_total", "Calls counted."),
    alarm("mintreu_usage_calls_dropped_total", "Single calls that were counted but not kept."),
    level("mintreu_usage_pending_rows", "Counts that wait for the next flush."),
    count("mintreu_usage_flushed_total", "Records flushed into the database."),
    alarm("mintreu_usage_flush_errors_total", "Flushes that failed and will be tried again."),
    seconds("mintreu_usage_flush_duration_seconds", "How long a flush took."),
    gauge("mintreu_usage_journal_bytes", Unit::Bytes, "Size of the journals on disk."),
    gauge("mintreu_usage_journal_fsync_lag_seconds", Unit::Seconds, "What a power cut would lose."),
    alarm("mintreu_usage_journal_write_errors_total", "Writes to the journal that failed."),
    alarm("mintreu_usage_journal_truncated_bytes_total", "Bytes cut off because they were no whole record."),
    alarm("mintreu_usage_journal_set_aside_total", "Journals put aside because they cannot be read."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = HashSet::new();
        for metric in METRICS {
            let Metric { name, kind, unit, .. } = metric;
            assert!(name.starts_with("mintreu_"), "{name}");
            assert!(seen.insert(name), "{name} is listed twice");
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert_eq!(*unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
            assert_eq!(*unit == Unit::Bytes, name.ends_with("_bytes"), "{name}");
        }
    }

    #[test]
    fn dashboards_and_alerts_name_only_metrics_that_exist() {
        let process = include_str!("process.rs");
        for text in [
            include_str!("../../dashboards/engine.json"),
            include_str!("../../dashboards/delivery.json"),
            include_str!("../../dashboards/alerts.yml"),
        ] {
            let words = text.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
            let names: HashSet<_> = words.filter(|word| word.starts_with("mintreu_")).collect();
            assert!(names.len() > 10, "the test must find them");
            for name in names {
                let base = name.trim_end_matches("_bucket");
                let known = METRICS.iter().any(|metric| metric.name == base);
                assert!(known || process.contains(&format!("\"{name}\"")), "{name}");
            }
        }
    }
}
