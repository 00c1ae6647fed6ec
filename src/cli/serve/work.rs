//! What works behind the front: actors, services, queues.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{Failure, invoicing, providers};
use crate::{
    accounts::Housekeeping,
    actors::{Service, System, accounts, credentials, downloads, licensing, notifications, payments, privacy, support},
    app::App,
    audit::{Sealer, SealerOptions},
    config::Config,
    credentials::SweepCredentials,
    downloads::VerifySource,
    flags::{Registry, Switch},
    invoices::Desk,
    jobs::{self, Consumer, Job, QueueOptions, Schedule, Worker, WorkerOptions, retention::Retention},
    licenses::IssueLicenses,
    notifications::Notice,
    orders::FetchFees,
    payments::HandleEvent,
    privacy::BuildArchive,
    support::ReceiveMail,
    usage::Aggregator,
};

/// How long letters wait for company while there are many. Nobody notices it of a letter, also of one with a link that
/// somebody waits for; and claimed one by one they took up to a fifth of PostgreSQL's orders.
const LETTERS: Duration = Duration::from_millis(50);

/// The running parts.
pub(super) struct Work {
    actors: Arc<System>,
    worker: Worker,
    gates: CancellationToken,
}

/// Starts services first, then the actors that rely on them, then the queues that feed those.
pub(super) async fn start(app: &App, config: &Config, sole: bool) -> Result<Work, Failure> {
    let actors = System::start(Handle::current(), Arc::clone(app.db.ids().clock())).map_err(Failure::failed)?;
    for service in services(app, config) {
        actors.serve(service).await.map_err(Failure::failed)?;
    }
    let payments = actors.add(payments::capability(app)).await.map_err(Failure::failed)?;
    let licensing = actors.add(licensing::capability(app)).await.map_err(Failure::failed)?;
    let downloads = actors.add(downloads::capability(app)).await.map_err(Failure::failed)?;
    let credentials = actors.add(credentials::capability(app)).await.map_err(Failure::failed)?;
    let notifications = actors.add(notifications::capability(app)).await.map_err(Failure::failed)?;
    let accounts = actors.add(accounts::capability(app)).await.map_err(Failure::failed)?;
    let support = actors.add(support::capability(app)).await.map_err(Failure::failed)?;
    let privacy = actors.add(privacy::capability(app)).await.map_err(Failure::failed)?;
    let options =
        WorkerOptions { name: host_name(), lease: config.jobs.lease, poll_interval: config.jobs.poll_interval, sole };
    let worker = Worker::start(app.db.clone(), options, schedules(config)?).await?;
    let gates = CancellationToken::new();
    let feed = |queue: &'static str, switch: Option<Switch>, consumer: Arc<dyn Consumer>| {
        let gate = match switch {
            Some(switch) => gate(&app.flags, switch, gates.clone()),
            None => always_open(gates.clone()),
        };
        let (concurrency, poll_interval) = (config.jobs.concurrency, config.jobs.poll_interval);
        let spacing = if queue == Notice::QUEUE { LETTERS } else { Duration::ZERO };
        worker.consume(QueueOptions { queue, concurrency, poll_interval, spacing, gate }, consumer);
    };
    feed(HandleEvent::QUEUE, Some(Switch::Payments), payments.consumer());
    feed(IssueLicenses::QUEUE, Some(Switch::Licensing), licensing.consumer());
    feed(VerifySource::QUEUE, Some(Switch::Downloads), downloads.consumer());
    feed(ReceiveMail::QUEUE, Some(Switch::Support), support.consumer());
    // What happened is told, whatever is switched off.
    feed(Notice::QUEUE, None, notifications.consumer());
    // New licences wait under their own switch, and what was taken back stays so.
    feed(SweepCredentials::QUEUE, None, credentials.consumer());
    feed(Housekeeping::QUEUE, None, accounts.consumer());
    // Nobody switches people's rights off.
    feed(BuildArchive::QUEUE, None, privacy.consumer());
    let actors = Arc::new(actors);
    app.crew.begin(&actors);
    Ok(Work { actors, worker, gates })
}

impl Work {
    pub(super) const fn actors(&self) -> &Arc<System> {
        &self.actors
    }

    /// Stops claiming, lets what runs finish within the grace, and gives the rest back.
    pub(super) async fn stop(self, grace: Duration) {
        self.worker.shutdown(grace.mul_f32(0.4)).await;
        let left = self.actors.drain(grace.mul_f32(0.1).max(Duration::from_secs(1))).await;
        if left.interrupted > 0 {
            tracing::warn!(jobs = left.interrupted, "jobs were interrupted; they run again at the next start");
        }
        self.gates.cancel();
    }
}

/// What the clock sets going.
fn schedules(config: &Config) -> Result<Vec<Schedule>, Failure> {
    let mut all = providers::schedules(config)?;
    all.extend(licensing::schedules().map_err(Failure::failed)?);
    all.extend(downloads::schedules().map_err(Failure::failed)?);
    all.extend(notifications::schedules().map_err(Failure::failed)?);
    all.extend(credentials::schedules().map_err(Failure::failed)?);
    all.extend(privacy::schedules().map_err(Failure::failed)?);
    all.extend(support::schedules(config.support.close_after).map_err(Failure::failed)?);
    let schedules = [
        Schedule::new("payments.fetch_fees", "*/5 * * * *", FetchFees {}),
        Schedule::new("accounts.housekeeping", "17 * * * *", Housekeeping {}),
    ];
    for schedule in schedules {
        all.push(schedule.map_err(Failure::failed)?);
    }
    Ok(all)
}

/// Open while a kill switch is not flipped.
fn gate(flags: &Registry, switch: Switch, stop: CancellationToken) -> watch::Receiver<bool> {
    let mut changes = flags.watch();
    let (sender, gate) = watch::channel(flags.is_on(switch));
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        while changes.changed().await.is_ok() {
            let open = !changes.borrow_and_update().switch(switch).killed;
            sender.send_if_modified(|was| std::mem::replace(was, open) != open);
        }
    }));
    gate
}

/// For work that no kill switch stops.
fn always_open(stop: CancellationToken) -> watch::Receiver<bool> {
    let (sender, gate) = watch::channel(true);
    // A gate whose sender is gone would look like one that has just changed.
    tokio::spawn(async move {
        stop.cancelled().await;
        drop(sender);
    });
    gate
}

fn services(app: &App, config: &Config) -> Vec<Service> {
    let (usage, db) = (app.usage.clone(), app.db.clone());
    let usage = Service::new("usage", move |stop| {
        let aggregator = Aggregator::new(usage.clone(), db.clone());
        async move {
            aggregator.run(stop).await;
            Ok::<_, Infallible>(())
        }
    });
    let registry = app.flags.clone();
    let flags = Service::new("flags", move |stop| {
        let registry = registry.clone();
        async move {
            registry.run(stop).await;
            Ok::<_, Infallible>(())
        }
    });
    let (db, keys) = (app.db.clone(), app.keys.clone());
    let options = SealerOptions { interval: config.audit.seal_interval, ..SealerOptions::default() };
    let audit = Service::new("audit", move |stop| {
        let sealer = Sealer::new(db.clone(), &keys, options);
        async move {
            sealer.run(stop).await;
            Ok::<_, Infallible>(())
        }
    });
    let retention = Retention {
        completed: config.jobs.retention_completed,
        discarded: config.jobs.retention_discarded,
        events: config.jobs.retention_events,
    };
    let db = app.db.clone();
    let upkeep = Service::new("jobs", move |stop| {
        let db = db.clone();
        async move {
            stop.run_until_cancelled(jobs::upkeep(db, retention)).await;
            Ok::<_, Infallible>(())
        }
    });
    let cache = app.license_cache.clone();
    let licenses = Service::new("licenses", move |stop| {
        let cache = cache.clone();
        async move {
            cache.follow(stop).await;
            Ok::<_, Infallible>(())
        }
    });
    let keys = app.api_keys.clone();
    let key_uses = Service::new("key uses", move |stop| {
        let keys = keys.clone();
        async move {
            keys.note_uses(stop).await;
            Ok::<_, Infallible>(())
        }
    });
    let downloads = app.downloads.clone();
    let log = Service::new("download log", move |stop| {
        let downloads = downloads.clone();
        async move {
            // Writes what is under way when it is told to stop; until then it writes itself.
            stop.cancelled().await;
            downloads.settled().await;
            Ok::<_, Infallible>(())
        }
    });
    let (db, options) = (app.db.clone(), invoicing::desk(config));
    let invoices = Service::new("invoices", move |stop| {
        let desk = Desk::new(db.clone(), options.clone());
        async move {
            desk.run(stop).await;
            Ok::<_, Infallible>(())
        }
    });
    vec![usage, flags, audit, upkeep, licenses, key_uses, log, invoices]
}

/// What operators call this machine.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "mintreu".to_owned() } else { name.to_owned() }
}
