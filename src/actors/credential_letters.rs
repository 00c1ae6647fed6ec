//! What notices about credentials of outside APIs come to.

use uuid::Uuid;

use super::notifications::{Letters, Notifications};
use crate::{
    accounts,
    credentials::{self, CredentialId},
    db::Db,
    kernel::UserId,
    notifications::{CredentialStuckLetter, Owed},
};

/// A vendor's hook failed for the last time; nothing is said once it is well again.
pub(super) async fn stuck(state: &Notifications, db: &Db, credential: Uuid) -> Letters {
    let id = CredentialId::from_uuid(credential);
    let Some(stuck) = credentials::stuck_credential(db, id).await? else { return Ok(Vec::new()) };
    let vendor = match stuck.vendor {
        Some(vendor) => accounts::find_any_account(db, vendor).await?,
        None => None,
    };
    let letter = CredentialStuckLetter {
        product: stuck.product,
        license: stuck.license.to_string(),
        credential: id.to_string(),
        state: stuck.state.to_string(),
        problem: stuck.problem.unwrap_or_default(),
    };
    let operators = state.shop.operators.iter().map(|operator| (operator.clone(), None));
    let vendor = vendor.map(|vendor| (vendor.email.to_string(), Some(vendor.id)));
    let owed = |(to, user): (String, Option<UserId>)| Owed::new(to, user, letter.clone()).one_of_several();
    Ok(operators.chain(vendor).map(owed).collect())
}
