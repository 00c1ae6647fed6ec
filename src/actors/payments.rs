//! Payments: handles what providers told us.

use std::sync::Arc;

use super::Capability;
use crate::{
    app::App,
    db::Tx,
    jobs::{Attempt, Failure, Handlers, Transactional},
    orders,
    payments::HandleEvent,
};

/// What a payments shard owns: nothing yet; provider clients and their circuit breakers belong here.
#[derive(Debug, Default)]
pub struct Payments {}

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
    let handlers = Handlers::new(app.db.clone()).transactional::<HandleEvent>();
    Capability::new("payments", Payments::default, Arc::new(handlers))
}
