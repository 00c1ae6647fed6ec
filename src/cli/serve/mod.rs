//! `mintreu serve`: opens everything, runs until told to stop, and leaves nothing half done.

mod files;
mod invoicing;
mod keys;
mod lock;
mod providers;
mod readiness;
mod shop;
mod work;

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, open};
use crate::{
    app::{App, Crew, Parts},
    config::{Config, Profile, UsageLog},
    db::{Db, SchemaState},
    flags::{Registry, RegistryOptions},
    http::{self, Front, FrontOptions, Server},
    kernel::IdSource,
    licenses::{CacheOptions, CallLimits, KeyMaker, LicenseCache},
    telemetry::{self, Metrics},
    usage::{self, LogPolicy, Meter, Usage},
};

/// What a server does after what was to be done while it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Serves until it is told to stop.
    Stay,
    /// Stops.
    Leave,
}

/// Runs the server until SIGTERM or SIGINT.
pub(super) async fn run(config: Config) -> Result<ExitCode, Failure> {
    run_with(config, Then::Stay, async |_| Ok(())).await
}

/// Runs the server and, as soon as it answers, `errand`; a failed errand ends it.
pub(super) async fn run_with(
    config: Config,
    then: Then,
    errand: impl AsyncFnOnce(&App) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    telemetry::init(config.telemetry.log_filter.as_str(), config.telemetry.log_format).map_err(Failure::usage)?;
    let metrics = Metrics::install().map_err(Failure::failed)?;
    // Everything that a wrong setting can break is tried before work begins.
    let shop = http::bind("http.listen", &config.http.listen.to_string()).await.map_err(Failure::failed)?;
    let operators = match config.metrics.listen {
        Some(address) => Some(http::bind("metrics.listen", &address.to_string()).await.map_err(Failure::failed)?),
        None => None,
    };
    let lock = lock::take(&config)?;
    let app = open_app(&config).await?;
    let work = work::start(&app, &config, lock.is_some()).await?;
    let ready = readiness::checks(&app, work.actors());
    let listen = shop.local_addr().map_err(Failure::failed)?;
    let listeners = Listeners { shop, operators };
    // Before the first answer, so that whoever saw the server ready can end it well.
    let told_to_stop = Signals::listen()?;
    let mut run = Ok(());
    serve(&app, &config, listeners, Serving { metrics, ready: ready.clone() }, async {
        tell_service_manager(&[sd_notify::NotifyState::Ready]);
        tracing::info!(%listen, public_url = %config.http.public_url, database = %config.database.url, "ready");
        run = errand_or_signal(errand(&app), then, told_to_stop).await;
        tell_service_manager(&[sd_notify::NotifyState::Stopping]);
        tracing::info!("stopping");
        ready.drain();
    })
    .await?;
    work.stop(config.shutdown.grace).await;
    app.db.close().await;
    drop(lock);
    tracing::info!("stopped");
    run.map(|()| ExitCode::SUCCESS)
}

/// Waits for the errand, then for the signal; a signal amid the errand ends both.
async fn errand_or_signal(
    errand: impl Future<Output = Result<(), Failure>>,
    then: Then,
    told_to_stop: Signals,
) -> Result<(), Failure> {
    let stop = told_to_stop.wait();
    tokio::pin!(stop);
    tokio::select! {
        () = &mut stop => return Ok(()),
        done = errand => done?,
    }
    if then == Then::Stay {
        stop.await;
    }
    Ok(())
}

/// Opens the database, at this program's schema, and what is read from it.
pub(super) async fn open_app(config: &Config) -> Result<App, Failure> {
    let keys = open::keyring(config)?;
    let db = open::database(config).await?;
    prepare_schema(&db, config.profile).await?;
    let options = RegistryOptions { poll: config.flags.poll_interval, ..RegistryOptions::default() };
    let flags = Registry::load(db.clone(), options).await?;
    let usage = open_usage(config, db.ids().clone())?;
    let providers::Parts { providers, webhooks, sandbox } = providers::open(config, &db)?;
    let license_keys = KeyMaker::new(&keys);
    let settings = &config.licensing;
    let options = CacheOptions { size: settings.cache_size, stale_grace: settings.stale_grace };
    let license_limits = CallLimits {
        per_key: settings.validations_per_minute_per_key,
        per_address: settings.validations_per_minute_per_address,
    };
    let license_cache = LicenseCache::new(db.clone(), license_keys.clone(), options);
    let downloads = files::downloads(config, &db, &keys)?;
    Ok(App::from(Parts {
        api_keys: keys::api_keys(config, &db, &keys, &license_cache),
        credentials: keys::credentials(config, &db, &keys, &downloads),
        license_cache,
        downloads,
        passwords: open::passwords(&keys),
        privacy: open::privacy(config, &db, &keys)?,
        mailer: open::mailer(config)?,
        report_secrets: open::report_secrets(config)?,
        shop: Arc::new(shop::shop(config)),
        support: Arc::new(open::support_desk(config)),
        meter: Meter::new(usage.clone(), db.clone()),
        crew: Crew::default(),
        started_at: db.now(),
        db,
        flags,
        usage,
        keys,
        license_keys,
        license_limits,
        providers,
        webhooks,
        sandbox,
    }))
}

/// Development brings the schema up to date by itself; production leaves the moment to its operator.
async fn prepare_schema(db: &Db, profile: Profile) -> Result<(), Failure> {
    match (db.schema_state().await?, profile) {
        (SchemaState::Current { .. }, _) => Ok(()),
        (SchemaState::Pending { .. }, Profile::Development) => {
            let versions = db.migrate().await.map_err(Failure::failed)?;
            tracing::info!(?versions, "migrations run");
            Ok(())
        }
        (state, _) => Err(Failure::failed(format!("database.url: {}", open::describe(&state)))),
    }
}

fn open_usage(config: &Config, ids: IdSource) -> Result<Usage, Failure> {
    let settings = &config.usage;
    let log = match settings.log {
        UsageLog::Off => LogPolicy::Off,
        UsageLog::Sample => LogPolicy::Sample(settings.sample_rate),
        UsageLog::All => LogPolicy::All,
    };
    let options = usage::Config {
        fsync_interval: settings.fsync_interval,
        flush_interval: settings.flush_interval,
        log,
        ..usage::Config::in_dir(&settings.journal_dir)
    };
    Usage::open(options, ids).map_err(|error| {
        let mend = match error {
            usage::JournalError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "; make room on its disk"
            }
            usage::JournalError::Io { .. } => "; name a directory on a local disk that this user can write to",
            usage::JournalError::InUse(_) => "",
        };
        Failure::failed(format!("usage.journal_dir: {error}{mend}"))
    })
}

struct Listeners {
    shop: TcpListener,
    operators: Option<TcpListener>,
}

struct Serving {
    metrics: Metrics,
    ready: http::Readiness,
}

/// Answers requests while `running` runs, then finishes those under way.
async fn serve(
    app: &App,
    config: &Config,
    listeners: Listeners,
    serving: Serving,
    running: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let options = FrontOptions {
        body_limit: config.http.body_limit.0,
        request_timeout: config.http.request_timeout,
        trusted_proxies: config.http.trusted_proxies.clone(),
        ..FrontOptions::new(config.http.public_url.as_str())
    };
    let front = Front::new(options, app.db.ids().clone(), serving.ready);
    let server = Server {
        header_timeout: config.http.header_timeout,
        grace: config.shutdown.grace.mul_f32(0.4),
        ..Server::default()
    };
    let (stop, stop_operators) = (CancellationToken::new(), CancellationToken::new());
    let answering =
        tokio::spawn(server.clone().run(listeners.shop, front.router(http::routes(app.clone())), stop.clone()));
    let operations = listeners.operators.map(|listener| {
        let server = Server { grace: Duration::from_millis(200), ..server };
        tokio::spawn(server.run(listener, front.operations(&serving.metrics), stop_operators.clone()))
    });
    let upkeep = tokio::spawn(serving.metrics.upkeep());
    running.await;
    stop.cancel();
    answering.await.map_err(Failure::failed)?;
    stop_operators.cancel();
    if let Some(operations) = operations {
        operations.await.map_err(Failure::failed)?;
    }
    upkeep.abort();
    Ok(())
}

/// What ends a server: SIGTERM, or Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they are noticed instead of ending the process at once.
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("cannot listen for the signals that stop it: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells systemd, where it started us.
fn tell_service_manager(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
