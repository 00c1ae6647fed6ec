//! Licensing: gives what paid orders owe, and ends what has run its time.

use std::sync::Arc;

use super::Capability;
use crate::{
    accounts::AttachPurchases,
    app::App,
    db::{Db, Tx},
    jobs::{Attempt, External, Failure, Handlers, Schedule, Together, Transactional, cron::CronError},
    licenses::{self, ExpireLicenses, IssueLicenses, KeyMaker, PurgeLicenseChanges, REMINDERS, RemindOfExpiry},
    orders, support,
};

/// What a licensing shard owns: what makes keys.
#[derive(Debug)]
pub struct Licensing {
    keys: KeyMaker,
}

impl Together<Licensing> for IssueLicenses {
    async fn run(works: Vec<Self>, licensing: &mut Licensing, tx: &mut Tx) -> Result<(), Failure> {
        let orders: Vec<_> = works.iter().map(|work| work.order).collect();
        orders::fulfil(tx, &licensing.keys, &orders).await
    }
}

impl Transactional<Licensing> for AttachPurchases {
    async fn run(self, _: &mut Licensing, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        orders::attach_purchases(tx, &self).await?;
        Ok(support::attach_tickets(tx, &self).await?)
    }
}

/// In many short transactions, so that nobody waits for a long one; each row is guarded, so repeating does no harm.
impl External<Licensing> for ExpireLicenses {
    async fn run(self, _: &mut Licensing, db: &Db, _: Attempt) -> Result<(), Failure> {
        while db.write(async |tx| licenses::expire(tx).await).await? == licenses::BATCH {}
        Ok(())
    }
}

impl External<Licensing> for RemindOfExpiry {
    async fn run(self, _: &mut Licensing, db: &Db, _: Attempt) -> Result<(), Failure> {
        for days in REMINDERS {
            while db.write(async |tx| licenses::remind(tx, days).await).await? == licenses::BATCH {}
        }
        Ok(())
    }
}

impl External<Licensing> for PurgeLicenseChanges {
    async fn run(self, _: &mut Licensing, db: &Db, _: Attempt) -> Result<(), Failure> {
        db.write(async |tx| licenses::purge_changes(tx).await).await?;
        Ok(())
    }
}

/// When the sweeps run.
pub fn schedules() -> Result<Vec<Schedule>, CronError> {
    Ok(vec![
        Schedule::new("licenses.expire", "* * * * *", ExpireLicenses {})?,
        Schedule::new("licenses.remind", "7 * * * *", RemindOfExpiry {})?,
        Schedule::new("licenses.purge_changes", "23 * * * *", PurgeLicenseChanges {})?,
    ])
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Licensing> {
    let handlers = Handlers::new(app.db.clone())
        .together::<IssueLicenses>()
        .transactional::<AttachPurchases>()
        .external::<ExpireLicenses>()
        .external::<RemindOfExpiry>()
        .external::<PurgeLicenseChanges>();
    let keys = app.license_keys.clone();
    Capability::new("licensing", move || Licensing { keys: keys.clone() }, Arc::new(handlers))
}
