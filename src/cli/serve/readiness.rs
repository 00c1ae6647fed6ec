//! What must be well before requests are welcome.

use std::{sync::Arc, time::Duration};

use crate::{
    actors::System,
    app::App,
    db::SchemaState,
    http::{Readiness, check},
};

/// Flags older than this are no longer trusted to be what an operator wants.
const STALE_FLAGS: Duration = Duration::from_secs(30);

/// The checks of `/readyz`.
pub(super) fn checks(app: &App, actors: &Arc<System>) -> Readiness {
    let db = app.db.clone();
    let database = check("database", move || {
        let db = db.clone();
        async move { db.ping().await.map_err(|error| error.to_string()) }
    });
    let db = app.db.clone();
    let schema = check("schema", move || {
        let db = db.clone();
        async move {
            match db.schema_state().await {
                Ok(SchemaState::Current { .. }) => Ok(()),
                Ok(state) => Err(super::open::describe(&state)),
                Err(error) => Err(error.to_string()),
            }
        }
    });
    let system = Arc::clone(actors);
    let actors = check("actors", move || {
        let failed = system.failed();
        std::future::ready(if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) })
    });
    let registry = app.flags.clone();
    let flags = check("flags", move || {
        let age = registry.age();
        std::future::ready(if age < STALE_FLAGS {
            Ok(())
        } else {
            Err(format!("last confirmed {} s ago", age.as_secs()))
        })
    });
    let usage = app.usage.clone();
    let usage = check("usage", move || {
        let writable = usage.status().writable;
        std::future::ready(writable.then_some(()).ok_or_else(|| "the journal cannot be written".to_owned()))
    });
    Readiness::new(vec![database, schema, actors, flags, usage])
}
