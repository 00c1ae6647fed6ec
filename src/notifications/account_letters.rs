//! What owners of accounts are told.

use super::{
    Template, Word,
    letter::{Sheet, Write},
};
use crate::kernel::Time;

/// The link that proves the address of a new account.
#[derive(Debug)]
pub struct VerifyEmailLetter {
    /// What its owner is called.
    pub name: Option<String>,
    /// The proof's token.
    pub token: String,
}

impl Write for VerifyEmailLetter {
    fn template(&self) -> Template {
        Template::VerifyEmail
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("verify_email.subject", &[shop]);
        sheet.greet(self.name.as_deref());
        sheet.say("verify_email.ask", &[shop]);
        sheet.button("verify_email.open", &format!("/verify-email?token={}", self.token));
        sheet.say("verify_email.otherwise", &[]);
    }
}

/// The link for another password.
#[derive(Debug)]
pub struct ResetPasswordLetter {
    /// What its owner is called.
    pub name: Option<String>,
    /// The proof's token.
    pub token: String,
}

impl Write for ResetPasswordLetter {
    fn template(&self) -> Template {
        Template::ResetPassword
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("reset_password.subject", &[shop]);
        sheet.greet(self.name.as_deref());
        sheet.say("reset_password.ask", &[shop]);
        sheet.button("reset_password.open", &format!("/reset-password?token={}", self.token));
        sheet.say("reset_password.otherwise", &[]);
    }
}

/// Somebody registers with an address that has an account.
#[derive(Debug)]
pub struct AlreadyRegisteredLetter {
    /// What its owner is called.
    pub name: Option<String>,
}

impl Write for AlreadyRegisteredLetter {
    fn template(&self) -> Template {
        Template::AlreadyRegistered
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("already_registered.subject", &[shop]);
        sheet.greet(self.name.as_deref());
        sheet.say("already_registered.told", &[shop]);
        sheet.link("already_registered.login", "/login");
        sheet.link("already_registered.forgot", "/forgot-password");
    }
}

/// The password was changed.
#[derive(Debug)]
pub struct PasswordChangedLetter {
    /// What its owner is called.
    pub name: Option<String>,
}

impl Write for PasswordChangedLetter {
    fn template(&self) -> Template {
        Template::PasswordChanged
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("password_changed.subject", &[shop]);
        sheet.greet(self.name.as_deref());
        sheet.say("password_changed.told", &[shop]);
        sheet.link("password_changed.forgot", "/forgot-password");
    }
}

/// The link that brings what a guest bought into an account.
#[derive(Debug)]
pub struct ClaimPurchasesLetter {
    /// The proof's token.
    pub token: String,
    /// When the link ends.
    pub expires_at: Time,
}

impl Write for ClaimPurchasesLetter {
    fn template(&self) -> Template {
        Template::ClaimPurchases
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("claim_purchases.subject", &[shop]);
        sheet.greet(None);
        sheet.say("claim_purchases.told", &[shop, ("until", Word::Day(self.expires_at))]);
        sheet.button("claim_purchases.open", &format!("/claim?token={}", self.token));
    }
}
