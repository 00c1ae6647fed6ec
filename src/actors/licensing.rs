//! Licensing: gives what paid orders owe.

use std::sync::Arc;

use super::Capability;
use crate::{
    app::App,
    db::Tx,
    jobs::{Attempt, Failure, Handlers, Transactional},
    licenses::IssueLicense,
    orders,
};

/// What a licensing shard owns: nothing yet; the signer and hot caches belong here.
#[derive(Debug, Default)]
pub struct Licensing {}

impl Transactional<Licensing> for IssueLicense {
    async fn run(self, _: &mut Licensing, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        orders::fulfil(tx, &self).await?;
        Ok(())
    }
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Licensing> {
    let handlers = Handlers::new(app.db.clone()).transactional::<IssueLicense>();
    Capability::new("licensing", Licensing::default, Arc::new(handlers))
}
