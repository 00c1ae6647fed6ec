//! What notices about products' files come to.

use uuid::Uuid;

use super::notifications::{Letters, Notifications};
use crate::{
    accounts,
    db::{Db, Tx},
    downloads::{self, SourceId},
    jobs::{Attempt, Failure, Transactional},
    kernel::UserId,
    notifications::{AnnounceFile, DownloadReadyLetter, Notice, Owed, SourceBrokenLetter},
};

/// How many are told of a new file in one transaction.
const BATCH: i64 = 200;

/// A product's file cannot be fetched; nothing is said once it can.
pub(super) async fn source_broken(state: &Notifications, db: &Db, source: Uuid) -> Letters {
    let Some(broken) = downloads::broken_source(db, SourceId::from_uuid(source)).await? else { return Ok(Vec::new()) };
    let vendor = match broken.vendor {
        Some(vendor) => accounts::find_any_account(db, vendor).await?,
        None => None,
    };
    let letter = || SourceBrokenLetter {
        product: broken.product.clone(),
        source: broken.source.clone(),
        problem: broken.problem.clone(),
    };
    let operators = state.shop.operators.iter().map(|operator| (operator.clone(), None));
    let vendor = vendor.map(|vendor| (vendor.email.to_string(), Some(vendor.id)));
    let owed = |(to, user): (String, Option<UserId>)| Owed::new(to, user, letter()).one_of_several();
    Ok(operators.chain(vendor).map(owed).collect())
}

/// A product has a new file; nothing is said to who may not have it any more.
pub(super) async fn download_ready(db: &Db, source: Uuid, user: UserId) -> Letters {
    let found = downloads::ready_file(db, SourceId::from_uuid(source), user).await?;
    let Some(downloads::Ready { product, file, version, email, name }) = found else { return Ok(Vec::new()) };
    let occasion = version.clone();
    let letter = DownloadReadyLetter { name: Some(name), product, file, version };
    Ok(vec![Owed::new(email, Some(user), letter).on(occasion)])
}

impl Transactional<Notifications> for AnnounceFile {
    async fn run(self, _: &mut Notifications, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        let source = SourceId::from_uuid(self.source);
        let owners = downloads::owners_of_file(tx, source, self.after, BATCH).await?;
        for user in &owners {
            tx.enqueue(&Notice::DownloadReady { source: self.source, user: *user }).await?;
        }
        if i64::try_from(owners.len()).unwrap_or(BATCH) == BATCH {
            tx.enqueue(&Self { source: self.source, after: owners.last().copied() }).await?;
        }
        Ok(())
    }
}
