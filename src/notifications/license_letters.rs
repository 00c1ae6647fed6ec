//! What owners of licences and subscribers are told.

use super::{
    Template, Word,
    letter::{Sheet, Write},
};
use crate::kernel::{LicenseId, Money, SubscriptionId, Time};

/// A licence ends soon.
#[derive(Debug)]
pub struct LicenseExpiringLetter {
    /// What its owner is called, if that is known.
    pub name: Option<String>,
    /// Which licence.
    pub license: LicenseId,
    /// For what.
    pub product: String,
    /// Its key, as much as a mail may show.
    pub key: String,
    /// How soon.
    pub days: i64,
    /// When.
    pub expires_at: Time,
    /// Whether it goes on by itself.
    pub renews: bool,
}

impl Write for LicenseExpiringLetter {
    fn template(&self) -> Template {
        Template::LicenseExpiring
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (subject, told) = match self.days {
            ..=0 => ("license_expiring.subject_today", "license_expiring.today"),
            1 => ("license_expiring.subject_tomorrow", "license_expiring.tomorrow"),
            _ => ("license_expiring.subject_days", "license_expiring.days"),
        };
        let words = [
            ("product", Word::Text(&self.product)),
            ("days", Word::Count(self.days)),
            ("day", Word::Day(self.expires_at)),
        ];
        sheet.subject(subject, &words);
        sheet.greet(self.name.as_deref());
        sheet.say(told, &words);
        sheet.code(&self.key);
        let path = format!("/licenses/{}", self.license);
        if self.renews {
            sheet.say("license_expiring.renews", &[]);
            sheet.link("license_expiring.license", &path);
        } else {
            sheet.button("license_expiring.renew", &path);
        }
    }
}

/// A renewal could not be charged.
#[derive(Debug)]
pub struct RenewalFailedLetter {
    /// What the subscriber is called, if that is known.
    pub name: Option<String>,
    /// Of which subscription.
    pub subscription: SubscriptionId,
    /// To what.
    pub product: String,
    /// How much was to be charged.
    pub amount: Money,
    /// When it is tried again; never after the last try.
    pub next_try: Option<Time>,
}

impl Write for RenewalFailedLetter {
    fn template(&self) -> Template {
        Template::RenewalFailed
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let product = ("product", Word::Text(&self.product));
        let amount = ("amount", Word::Money(self.amount));
        sheet.subject("renewal_failed.subject", &[product]);
        sheet.greet(self.name.as_deref());
        match self.next_try {
            Some(day) => sheet.say("renewal_failed.again", &[product, amount, ("day", Word::Day(day))]),
            None => sheet.say("renewal_failed.last", &[product, amount]),
        }
        sheet.button("renewal_failed.pay", &format!("/subscriptions/{}", self.subscription));
    }
}

/// A subscription ended.
#[derive(Debug)]
pub struct SubscriptionEndedLetter {
    /// What the subscriber is called, if that is known.
    pub name: Option<String>,
    /// Which subscription.
    pub subscription: SubscriptionId,
    /// To what.
    pub product: String,
    /// When.
    pub ended_at: Time,
}

impl Write for SubscriptionEndedLetter {
    fn template(&self) -> Template {
        Template::SubscriptionEnded
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let product = ("product", Word::Text(&self.product));
        sheet.subject("subscription_ended.subject", &[product]);
        sheet.greet(self.name.as_deref());
        sheet.say("subscription_ended.told", &[product, ("day", Word::Day(self.ended_at))]);
        sheet.link("subscription_ended.again", &format!("/subscriptions/{}", self.subscription));
    }
}
