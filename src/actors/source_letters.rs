//! What notices about products' files come to.

use uuid::Uuid;

use super::notifications::Notifications;
use crate::{
    accounts,
    db::Db,
    downloads::{self, SourceId},
    jobs::Failure,
    notifications::{Letter, SourceBrokenLetter},
};

/// A product's file cannot be fetched; nothing is said once it can.
pub(super) async fn source_broken(state: &Notifications, db: &Db, source: Uuid) -> Result<Vec<Letter>, Failure> {
    let Some(broken) = downloads::broken_source(db, SourceId::from_uuid(source)).await? else { return Ok(Vec::new()) };
    let vendor = match broken.vendor {
        Some(vendor) => accounts::find_any_account(db, vendor).await?,
        None => None,
    };
    let letter = SourceBrokenLetter { product: broken.product, source: broken.source, problem: broken.problem };
    let mut letters = Vec::new();
    let vendor = vendor.map(|vendor| vendor.email.to_string());
    for to in state.shop.operators.iter().chain(&vendor) {
        letters.extend(state.write(to, &letter)?);
    }
    Ok(letters)
}
