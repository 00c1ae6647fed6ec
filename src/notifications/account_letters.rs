//! What owners of accounts are told.

use askama::Template;

use super::letter::{Letter, Letterhead, Unwritable, Write, day, greeting, letter};
use crate::kernel::Time;

/// The link that proves the address of a new account.
#[derive(Debug)]
pub struct VerifyEmailLetter {
    /// What its owner is called.
    pub name: Option<String>,
    /// The proof's token.
    pub token: String,
}

#[derive(Template)]
#[template(path = "notifications/templates/verify_email.txt")]
struct VerifyEmail<'a> {
    shop: &'a str,
    greeting: String,
    link: String,
}

impl Write for VerifyEmailLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let link = head.link(&format!("/verify-email?token={}", self.token));
        let text = VerifyEmail { shop: &head.shop, greeting: greeting(self.name.as_deref()), link };
        letter(to, format!("Confirm your address for {}", head.shop), &text)
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

#[derive(Template)]
#[template(path = "notifications/templates/reset_password.txt")]
struct ResetPassword<'a> {
    shop: &'a str,
    greeting: String,
    link: String,
}

impl Write for ResetPasswordLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let link = head.link(&format!("/reset-password?token={}", self.token));
        let text = ResetPassword { shop: &head.shop, greeting: greeting(self.name.as_deref()), link };
        letter(to, format!("Set a new password for {}", head.shop), &text)
    }
}

/// Somebody registers with an address that has an account.
#[derive(Debug)]
pub struct AlreadyRegisteredLetter {
    /// What its owner is called.
    pub name: Option<String>,
}

#[derive(Template)]
#[template(path = "notifications/templates/already_registered.txt")]
struct AlreadyRegistered<'a> {
    shop: &'a str,
    greeting: String,
    login: String,
    forgot: String,
}

impl Write for AlreadyRegisteredLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let (login, forgot) = (head.link("/login"), head.link("/forgot-password"));
        let text = AlreadyRegistered { shop: &head.shop, greeting: greeting(self.name.as_deref()), login, forgot };
        letter(to, format!("You already have an account with {}", head.shop), &text)
    }
}

/// The password was changed.
#[derive(Debug)]
pub struct PasswordChangedLetter {
    /// What its owner is called.
    pub name: Option<String>,
}

#[derive(Template)]
#[template(path = "notifications/templates/password_changed.txt")]
struct PasswordChanged<'a> {
    shop: &'a str,
    greeting: String,
    forgot: String,
}

impl Write for PasswordChangedLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let forgot = head.link("/forgot-password");
        let text = PasswordChanged { shop: &head.shop, greeting: greeting(self.name.as_deref()), forgot };
        letter(to, format!("Your password for {} was changed", head.shop), &text)
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

#[derive(Template)]
#[template(path = "notifications/templates/claim_purchases.txt")]
struct ClaimPurchases<'a> {
    shop: &'a str,
    link: String,
    until: String,
}

impl Write for ClaimPurchasesLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let link = head.link(&format!("/claim?token={}", self.token));
        let text = ClaimPurchases { shop: &head.shop, link, until: day(self.expires_at) };
        letter(to, format!("Your purchases from {}", head.shop), &text)
    }
}
