//! `mintreu jobs`

use std::{fmt::Write, process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Failure, Output, open, operator,
    output::{counted, table},
};
use crate::{
    app::QUEUES,
    audit::Entry,
    config::Config,
    db::{Db, DbError},
    jobs::{
        JobId,
        admin::{self, Cancellation, JobFilter, JobState, JobView},
        retention::{self, Retention},
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Jobs {
    /// List jobs, newest first, or count them by queue and state.
    #[command(after_help = "Examples:\n  mintreu jobs list --state dead --json\n  mintreu jobs list --count")]
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
        /// Only those enqueued before this job: the last of the previous page.
        #[arg(long, value_name = "JOB")]
        before: Option<JobId>,
        /// Count all of them instead of listing.
        #[arg(long, conflicts_with_all = ["state", "queue", "kind", "before"])]
        count: bool,
    },
    /// Show one job with its arguments and errors, as JSON.
    #[command(after_help = "Example:\n  mintreu jobs show job_01h…")]
    Show {
        /// Which job.
        job: JobId,
    },
    /// Run dead, cancelled or waiting jobs now, with all their attempts.
    #[command(
        after_help = "Examples:\n  mintreu jobs retry job_01h…\n  mintreu jobs retry --state dead --kind licenses.issue"
    )]
    Retry {
        /// Which job; without it, those that the options name.
        job: Option<JobId>,
        #[command(flatten)]
        which: Which,
    },
    /// Call a job off; one that runs is told to stop.
    #[command(after_help = "Example:\n  mintreu jobs cancel job_01h…")]
    Cancel {
        /// Which job.
        job: JobId,
    },
    /// Claim nothing from a queue until it is resumed.
    #[command(
        after_help = "Example:\n  mintreu jobs pause licensing --reason \"new signing key\"\n\nTo refuse new work as well, see `mintreu flags kill`."
    )]
    Pause {
        /// Which queue: payments or licensing.
        queue: String,
        /// Why; it is kept in the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Claim from a queue again.
    #[command(after_help = "Example:\n  mintreu jobs resume licensing")]
    Resume {
        /// Which queue.
        queue: String,
    },
    /// Delete jobs that ended longer ago than the retention, or than `--older-than`.
    #[command(after_help = "Examples:\n  mintreu jobs purge\n  mintreu jobs purge --older-than 3600")]
    Purge {
        /// In seconds; the configuration's retention without it.
        #[arg(long, value_name = "SECONDS")]
        older_than: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only in this state: available, scheduled, running, retryable, completed, cancelled, discarded (or dead).
    #[arg(long)]
    state: Option<JobState>,
    /// Only in this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only of this kind.
    #[arg(long)]
    kind: Option<String>,
}

impl Which {
    fn filter(self, before: Option<JobId>) -> JobFilter {
        JobFilter { state: self.state, queue: self.queue, kind: self.kind, before, ..JobFilter::default() }
    }
}

impl Jobs {
    pub(super) async fn run(self, config: &Config, output: Output) -> Result<ExitCode, Failure> {
        let db = open::current_database(config).await?;
        match self {
            Self::List { count: true, .. } => count(&db, output).await?,
            Self::List { which, limit, before, .. } => list(&db, &which.filter(before), limit, output).await?,
            Self::Show { job } => show(&db, job).await?,
            Self::Retry { job, which } => retry(&db, job, &which.filter(None), output).await?,
            Self::Cancel { job } => cancel(&db, job, output).await?,
            Self::Pause { queue, reason } => pause(&db, &queue, &reason, output).await?,
            Self::Resume { queue } => resume(&db, &queue, output).await?,
            Self::Purge { older_than } => purge(&db, older_than, config, output).await?,
        }
        db.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(db: &Db, filter: &JobFilter, limit: i64, output: Output) -> Result<(), Failure> {
    let jobs = admin::list(db, filter, limit).await?;
    output.print(&jobs, |jobs| {
        if jobs.is_empty() {
            return "no jobs".to_owned();
        }
        table(&["JOB", "QUEUE", "KIND", "STATE", "ATTEMPT", "DUE"], &jobs.iter().map(row).collect::<Vec<_>>())
    })
}

fn row(job: &JobView) -> Vec<String> {
    let state = if job.parked { format!("{} (group busy)", job.state) } else { job.state.clone() };
    let attempt = format!("{}/{}", job.attempt, job.max_attempts);
    vec![job.id.to_string(), job.queue.clone(), job.kind.clone(), state, attempt, job.run_at.to_string()]
}

async fn count(db: &Db, output: Output) -> Result<(), Failure> {
    let (counts, queues) = (admin::counts(db).await?, admin::queues(db).await?);
    output.print(&json!({ "jobs": counts, "queues": queues }), |_| {
        let rows: Vec<_> =
            counts.iter().map(|count| vec![count.queue.clone(), count.state.clone(), count.jobs.to_string()]).collect();
        let mut text = if rows.is_empty() { "no jobs".to_owned() } else { table(&["QUEUE", "STATE", "JOBS"], &rows) };
        for queue in queues.iter().filter(|queue| queue.paused) {
            let reason = queue.reason.as_deref().unwrap_or("no reason given");
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{} is paused since {}: {reason}", queue.queue, queue.changed_at);
        }
        text
    })
}

async fn show(db: &Db, id: JobId) -> Result<(), Failure> {
    let job = admin::show(db, id).await?.ok_or_else(|| Failure::failed(format!("there is no job {id}")))?;
    let text = serde_json::to_string_pretty(&job).map_err(Failure::failed)?;
    Output::line(&text)
}

async fn retry(db: &Db, job: Option<JobId>, filter: &JobFilter, output: Output) -> Result<(), Failure> {
    if job.is_none() && filter.state.is_none() && filter.queue.is_none() && filter.kind.is_none() {
        return Err(Failure::usage("name a job, or jobs with --state, --queue or --kind"));
    }
    if let Some(state @ (JobState::Available | JobState::Running | JobState::Completed)) = filter.state {
        return Err(Failure::usage(format!(
            "--state {state}: only jobs that are discarded (dead), cancelled, retryable or scheduled are run again"
        )));
    }
    let retried = db
        .write(async |tx| {
            let retried = admin::retry(tx, filter, job).await?;
            if retried > 0 {
                let what = job.map_or_else(|| format!("{filter:?}"), |job| job.to_string());
                tx.audit(Entry::new(operator(), "jobs.retried", "jobs", what).change(None, json!(retried)));
            }
            Ok::<_, DbError>(retried)
        })
        .await?;
    if let Some(job) = job
        && retried == 0
    {
        let why = match admin::show(db, job).await? {
            None => format!("there is no job {job}"),
            Some(view) if filter.state.is_some() || filter.queue.is_some() || filter.kind.is_some() => {
                format!("{job} is {} in queue {}, which the other options exclude", view.state, view.queue)
            }
            Some(view) => format!("{job} is {}: only a dead, cancelled or waiting job can be run again", view.state),
        };
        return Err(Failure::failed(why));
    }
    output.print(&json!({ "retried": retried }), |_| format!("{} again", counted(retried, "job runs", "jobs run")))
}

async fn cancel(db: &Db, job: JobId, output: Output) -> Result<(), Failure> {
    let cancellation = db
        .write(async |tx| {
            let cancellation = admin::cancel(tx, job).await?;
            if matches!(cancellation, Cancellation::Cancelled | Cancellation::Requested) {
                tx.audit(Entry::new(operator(), "job.cancelled", "job", job.to_string()));
            }
            Ok::<_, DbError>(cancellation)
        })
        .await?;
    match cancellation {
        Cancellation::NotFound => Err(Failure::failed(format!("there is no job {job}"))),
        Cancellation::Ended => Err(Failure::failed(format!("{job} has ended already"))),
        done => output.print(&json!({ "cancellation": done }), |_| match done {
            Cancellation::Requested => format!("{job} is running and has been told to stop"),
            _ => format!("{job} is cancelled"),
        }),
    }
}

/// Refuses a queue that nothing feeds from, that holds no job and that was never paused: it is a slip of the pen.
async fn known_queue(db: &Db, queue: &str) -> Result<(), Failure> {
    if QUEUES.contains(&queue)
        || admin::queues(db).await?.iter().any(|known| known.queue == queue)
        || admin::counts(db).await?.iter().any(|known| known.queue == queue)
    {
        return Ok(());
    }
    Err(Failure::failed(format!("there is no queue `{queue}`; there are {}", QUEUES.join(" and "))))
}

async fn pause(db: &Db, queue: &str, reason: &str, output: Output) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::usage("--reason is empty: say why, for the audit trail"));
    }
    known_queue(db, queue).await?;
    db.write(async |tx| {
        admin::pause(tx, queue, reason).await?;
        tx.audit(Entry::new(operator(), "queue.paused", "queue", queue).reason(reason));
        Ok::<_, DbError>(())
    })
    .await?;
    output.print(&json!({ "queue": queue, "paused": true }), |_| format!("{queue} is paused; what runs finishes"))
}

async fn resume(db: &Db, queue: &str, output: Output) -> Result<(), Failure> {
    known_queue(db, queue).await?;
    db.write(async |tx| {
        admin::resume(tx, queue).await?;
        tx.audit(Entry::new(operator(), "queue.resumed", "queue", queue));
        Ok::<_, DbError>(())
    })
    .await?;
    output.print(&json!({ "queue": queue, "paused": false }), |_| format!("{queue} is claimed from again"))
}

async fn purge(db: &Db, older_than: Option<u64>, config: &Config, output: Output) -> Result<(), Failure> {
    let keep = older_than.map(Duration::from_secs);
    let keeping = Retention {
        completed: keep.unwrap_or(config.jobs.retention_completed),
        discarded: keep.unwrap_or(config.jobs.retention_discarded),
        events: config.jobs.retention_events,
    };
    let purged = retention::purge(db, keeping).await?;
    output.print(&json!({ "purged": purged }), |_| format!("{} deleted", counted(purged, "ended job", "ended jobs")))
}
