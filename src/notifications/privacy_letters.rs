//! What people are told who want to see their data, or to be forgotten.

use super::{
    Template, Word,
    letter::{Sheet, Write},
};
use crate::kernel::Time;

/// An archive can be fetched.
#[derive(Debug)]
pub struct DataExportReadyLetter {
    /// What the account's owner is called.
    pub name: Option<String>,
    /// The secret part of the link; none where whoever reads the mail must sign in first.
    pub token: Option<String>,
    /// When the archive goes.
    pub expires_at: Time,
}

impl Write for DataExportReadyLetter {
    fn template(&self) -> Template {
        Template::DataExportReady
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("data_export_ready.subject", &[shop]);
        sheet.greet(self.name.as_deref());
        sheet.say("data_export_ready.told", &[shop, ("until", Word::Moment(self.expires_at))]);
        match &self.token {
            Some(token) => sheet.button("data_export_ready.open", &format!("/api/exports/{token}")),
            None => sheet.button("data_export_ready.sign_in", "/account/privacy"),
        }
        sheet.say("data_export_ready.otherwise", &[]);
    }
}

/// An account will be deleted.
#[derive(Debug)]
pub struct DeletionScheduledLetter {
    /// What its owner is called.
    pub name: Option<String>,
    /// When it begins.
    pub due_at: Time,
}

impl Write for DeletionScheduledLetter {
    fn template(&self) -> Template {
        Template::DeletionScheduled
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("deletion_scheduled.subject", &[shop]);
        sheet.greet(self.name.as_deref());
        sheet.say("deletion_scheduled.told", &[shop, ("due", Word::Moment(self.due_at))]);
        sheet.say("deletion_scheduled.ends", &[]);
        sheet.button("deletion_scheduled.cancel", "/account/privacy");
    }
}

/// An account was deleted.
#[derive(Debug)]
pub struct AccountDeletedLetter {
    /// When it was done.
    pub done_at: Time,
}

impl Write for AccountDeletedLetter {
    fn template(&self) -> Template {
        Template::AccountDeleted
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("account_deleted.subject", &[shop]);
        sheet.greet(None);
        sheet.say("account_deleted.told", &[shop, ("day", Word::Day(self.done_at))]);
        sheet.say("account_deleted.kept", &[]);
    }
}
