//! `/api/admin/system`: what runs here, on what, since when.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::App,
    config::Profile,
    db::SchemaState,
    flags::Switch,
    http::{Admin, Json, Problem},
    jobs::admin::{self, WorkerView},
    kernel::{Currency, Time},
    payments::ProviderName,
    storage::StoreHealth,
};

/// What keeps everything.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SystemDatabase")]
struct Database {
    /// `sqlite` or `postgresql`.
    engine: &'static str,
    /// The newest migration; nothing if the schema is not this program's.
    schema: Option<i64>,
}

/// What counts are written to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsageJournal")]
struct Journal {
    /// Whether counts reach the disk.
    writable: bool,
    /// Counts in memory that the database does not have.
    pending: usize,
    /// How large it is on disk.
    bytes: u64,
    /// Journals of earlier processes that are not counted yet.
    retired: usize,
}

/// What runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "System")]
pub(super) struct SystemView {
    /// The program's.
    version: &'static str,
    /// How strict it is with itself.
    profile: Profile,
    /// What the shop is called.
    shop: String,
    /// Where clients reach it.
    public_url: String,
    /// What prices are in if nothing is said.
    currency: Currency,
    /// When the process that answers began.
    started_at: Time,
    /// What time the database has it.
    now: Time,
    /// What keeps everything.
    database: Database,
    /// The processes that work on the queues, this one too.
    workers: Vec<WorkerView>,
    /// Through whom people can pay.
    providers: Vec<ProviderName>,
    /// Capabilities that are stopped.
    stopped: Vec<Switch>,
    /// How long ago the database confirmed flags and switches, in milliseconds.
    flags_age_ms: u128,
    /// Where files are kept, and whether that answers.
    storage: Vec<StoreHealth>,
    /// What counts are written to before the database has them.
    usage: Journal,
}

/// `GET /api/admin/system`
pub(super) async fn show(State(app): State<App>, _: Admin) -> Result<Json<SystemView>, Problem> {
    let schema = match app.db.schema_state().await? {
        SchemaState::Current { version } => Some(version),
        SchemaState::Pending { .. } | SchemaState::Newer { .. } | SchemaState::Altered { .. } => None,
    };
    let usage = app.usage.status();
    let (shop, stopped) = (&app.shop, Switch::ALL.into_iter().filter(|switch| !app.is_on(*switch)).collect());
    Ok(Json(SystemView {
        version: env!("CARGO_PKG_VERSION"),
        profile: shop.profile,
        shop: shop.name.clone(),
        public_url: shop.public_url.clone(),
        currency: shop.currency,
        started_at: app.started_at,
        now: app.db.now(),
        database: Database { engine: app.db.dialect().pick("sqlite", "postgresql"), schema },
        workers: admin::workers(&app.db).await?,
        providers: app.providers.iter().map(|provider| provider.name()).collect(),
        stopped,
        flags_age_ms: app.flags.age().as_millis(),
        storage: app.support.files.health().await,
        usage: Journal {
            writable: usage.writable,
            pending: usage.pending_rows,
            bytes: usage.journal_bytes,
            retired: usage.retired,
        },
    }))
}
