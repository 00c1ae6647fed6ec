//! What notices about people's data come to. A deletion that was cancelled meanwhile is not worth a mail.

use uuid::Uuid;

use super::notifications::{Letters, Notifications};
use crate::{
    accounts::{self, Account},
    db::Db,
    jobs::Failure,
    notifications::{AccountDeletedLetter, DataExportReadyLetter, DeletionScheduledLetter, Owed},
    privacy::{self, AccountDeletionId, DataExportId, DeletionState, ExportState, Links},
};

/// An archive can be fetched. Where a second factor guards the account, the mail alone does not open it.
pub(super) async fn export_ready(state: &Notifications, db: &Db, row: Uuid) -> Letters {
    let id = DataExportId::from_uuid(row);
    let export = privacy::find_any_export(db, id).await?.filter(|export| export.state == ExportState::Ready);
    let Some((export, expires_at)) = export.and_then(|export| export.expires_at.map(|at| (export, at))) else {
        return Ok(Vec::new());
    };
    let Some(account) = accounts::find_any_account(db, export.user_id).await? else { return Ok(Vec::new()) };
    let Account { email, name, second_factor, .. } = account;
    let token = (!second_factor).then(|| Links::new(&state.keys).token(id));
    let letter = DataExportReadyLetter { name: Some(name), token, expires_at };
    Ok(vec![Owed::new(email.to_string(), Some(export.user_id), letter)])
}

/// An account will be deleted.
pub(super) async fn deletion_scheduled(db: &Db, row: Uuid) -> Letters {
    let found = privacy::deletion(db, AccountDeletionId::from_uuid(row)).await?;
    let Some(deletion) = found.filter(|deletion| deletion.state == DeletionState::Scheduled) else {
        return Ok(Vec::new());
    };
    let Some(account) = accounts::find_any_account(db, deletion.user_id).await? else { return Ok(Vec::new()) };
    let letter = DeletionScheduledLetter { name: Some(account.name), due_at: deletion.due_at };
    Ok(vec![Owed::new(account.email.to_string(), Some(deletion.user_id), letter)])
}

/// An account was deleted: to the address that it had, as long as that is kept.
pub(super) async fn account_deleted(state: &Notifications, db: &Db, row: Uuid) -> Letters {
    let id = AccountDeletionId::from_uuid(row);
    let Some(to) = privacy::farewell(db, &state.keys, id).await? else { return Ok(Vec::new()) };
    let (user, address) = to.map_err(Failure::dead)?;
    let done_at = privacy::deletion(db, id).await?.and_then(|deletion| deletion.done_at);
    let Some(done_at) = done_at else { return Ok(Vec::new()) };
    Ok(vec![Owed::new(address, Some(user), AccountDeletedLetter { done_at })])
}
