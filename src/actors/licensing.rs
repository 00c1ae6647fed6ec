//! Licensing: gives what paid orders owe.

use std::sync::Arc;

use super::Capability;
use crate::{
    accounts::AttachPurchases,
    app::App,
    db::Tx,
    jobs::{Attempt, Failure, Handlers, Transactional},
    licenses::{IssueLicenses, KeyMaker},
    orders,
};

/// What a licensing shard owns: what makes keys.
#[derive(Debug)]
pub struct Licensing {
    keys: KeyMaker,
}

impl Transactional<Licensing> for IssueLicenses {
    async fn run(self, licensing: &mut Licensing, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        orders::fulfil(tx, &licensing.keys, self.order).await?;
        Ok(())
    }
}

impl Transactional<Licensing> for AttachPurchases {
    async fn run(self, _: &mut Licensing, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        Ok(orders::attach_purchases(tx, &self).await?)
    }
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Licensing> {
    let handlers = Handlers::new(app.db.clone()).transactional::<IssueLicenses>().transactional::<AttachPurchases>();
    let keys = app.license_keys.clone();
    Capability::new("licensing", move || Licensing { keys: keys.clone() }, Arc::new(handlers))
}
