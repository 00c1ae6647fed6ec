//! How often who may try what.

use std::time::Duration;

use crate::{
    accounts::{Email, UserId},
    http::{Allowance, Context, Limiter, Problem, address_key},
};

/// The limits of everything that can be guessed, and of everything that makes mail.
#[derive(Debug)]
pub struct Limits {
    login_address: Limiter,
    login_account: Limiter,
    second_factor: Limiter,
    register: Limiter,
    links: Limiter,
    mails_asked: Limiter,
    mails_sent: Limiter,
}

impl Limits {
    pub(super) fn new() -> Self {
        let (minutes, hour) = (Duration::from_mins, Duration::from_hours(1));
        Self {
            login_address: Limiter::new("login-address", 50, minutes(10)),
            login_account: Limiter::new("login-account", 10, minutes(10)),
            second_factor: Limiter::new("second-factor", 5, minutes(5)),
            register: Limiter::new("register", 20, hour),
            links: Limiter::new("links", 30, minutes(10)),
            mails_asked: Limiter::new("mails-asked", 20, hour),
            mails_sent: Limiter::new("mails-sent", 5, hour),
        }
    }

    /// A try to sign in: so many from an address, so many for an account, whether there is one or not.
    pub(super) fn login(&self, context: &Context, email: &Email) -> Result<Allowance, Problem> {
        self.login_address.check(&address_key(context.peer()))?;
        self.login_account.check(email.as_str())
    }

    /// A password shown by somebody who is signed in already.
    pub(super) fn password(&self, email: &str) -> Result<Allowance, Problem> {
        self.login_account.check(email)
    }

    /// A code of six digits.
    pub(super) fn second_factor(&self, user: UserId) -> Result<Allowance, Problem> {
        self.second_factor.check(&user.to_string())
    }

    /// A registration: so many from an address, so many mails to one.
    pub(super) fn register(&self, context: &Context, email: &Email) -> Result<Allowance, Problem> {
        let allowance = self.register.check(&address_key(context.peer()))?;
        self.mails_sent.check(email.as_str())?;
        Ok(allowance)
    }

    /// A token out of a mail.
    pub(super) fn link(&self, context: &Context) -> Result<Allowance, Problem> {
        self.links.check(&address_key(context.peer()))
    }

    /// A mail that somebody asks for.
    pub(super) fn mail(&self, context: &Context, email: &Email) -> Result<Allowance, Problem> {
        let allowance = self.mails_asked.check(&address_key(context.peer()))?;
        self.mails_sent.check(email.as_str())?;
        Ok(allowance)
    }
}
