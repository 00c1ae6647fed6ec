//! Payments: handles what providers told us.

use std::sync::Arc;

use super::{Capability, inbox};
use crate::{
    app::App,
    db::Tx,
    jobs::{Attempt, Failure, Handlers, Transactional},
    orders,
    payments::{HandleEvent, sandbox::Sandbox},
};

/// What a payments shard owns. The providers' clients and circuit breakers are shared by all shards and the front.
#[derive(Debug, Default)]
pub struct Payments {
    pub(super) sandbox: Option<Sandbox>,
}

impl Transactional<Payments> for HandleEvent {
    async fn run(self, _: &mut Payments, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        let settlement = orders::settle(tx, self.event).await?;
        tracing::debug!(event = %self.event, ?settlement, "event handled");
        Ok(())
    }
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Payments> {
    let handlers = inbox::handlers(Handlers::new(app.db.clone()).transactional::<HandleEvent>());
    let sandbox = app.sandbox.clone();
    Capability::new("payments", move || Payments { sandbox: sandbox.clone() }, Arc::new(handlers))
}
