//! What buyers and operators are told of orders, licences and subscriptions.
//!
//! Each letter is plain data: what it says is gathered by the actor that sends it.

use askama::Template;

use super::letter::{Letter, Letterhead, Unwritable, Write, day, greeting, letter};
use crate::kernel::{LicenseId, Money, OrderId, SubscriptionId, Time};

/// One position of an order.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// What was bought.
    pub title: String,
    /// In which plan; empty if there is but one.
    pub plan: String,
    /// How many.
    pub quantity: i64,
    /// The licence keys that it gave.
    pub keys: Vec<String>,
    /// The files that can be downloaded, as buyers know them: the first few.
    pub files: Vec<String>,
    /// Where they are.
    pub downloads: Option<String>,
}

/// What a paid order gave.
#[derive(Debug)]
pub struct OrderFulfilledLetter {
    /// What the buyer is called, if that is known.
    pub name: Option<String>,
    /// Which order.
    pub order: OrderId,
    /// Its positions.
    pub lines: Vec<OrderLine>,
    /// What was paid.
    pub total: Money,
    /// For a guest: the token that brings it into an account.
    pub claim_token: Option<String>,
}

#[derive(Template)]
#[template(path = "notifications/templates/order_fulfilled.txt")]
struct OrderFulfilled<'a> {
    shop: &'a str,
    greeting: String,
    order: OrderId,
    lines: &'a [OrderLine],
    total: Money,
    link: String,
    claim: Option<String>,
}

impl Write for OrderFulfilledLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = OrderFulfilled {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            order: self.order,
            lines: &self.lines,
            total: self.total,
            link: order_link(head, self.order),
            claim: self.claim_token.as_ref().map(|token| head.link(&format!("/claim?token={token}"))),
        };
        letter(to, format!("Your order from {}", head.shop), &text)
    }
}

fn order_link(head: &Letterhead, order: OrderId) -> String {
    head.link(&format!("/orders/{order}"))
}

/// Money went back.
#[derive(Debug)]
pub struct OrderRefundedLetter {
    /// What the buyer is called, if that is known.
    pub name: Option<String>,
    /// Of which order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Whether what the order gave was taken back.
    pub revoked: bool,
}

#[derive(Template)]
#[template(path = "notifications/templates/order_refunded.txt")]
struct OrderRefunded<'a> {
    shop: &'a str,
    greeting: String,
    order: OrderId,
    amount: Money,
    revoked: bool,
    link: String,
}

impl Write for OrderRefundedLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = OrderRefunded {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            order: self.order,
            amount: self.amount,
            revoked: self.revoked,
            link: order_link(head, self.order),
        };
        letter(to, format!("Refund of {} from {}", self.amount, head.shop), &text)
    }
}

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

#[derive(Template)]
#[template(path = "notifications/templates/license_expiring.txt")]
struct LicenseExpiring<'a> {
    shop: &'a str,
    greeting: String,
    product: &'a str,
    key: &'a str,
    when: String,
    day: String,
    renews: bool,
    link: String,
}

impl Write for LicenseExpiringLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let when = match self.days {
            ..=0 => "today".to_owned(),
            1 => "tomorrow".to_owned(),
            days => format!("in {days} days"),
        };
        let subject = format!("Your licence for {} ends {when}", self.product);
        let text = LicenseExpiring {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            product: &self.product,
            key: &self.key,
            when,
            day: day(self.expires_at),
            renews: self.renews,
            link: head.link(&format!("/licenses/{}", self.license)),
        };
        letter(to, subject, &text)
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

#[derive(Template)]
#[template(path = "notifications/templates/renewal_failed.txt")]
struct RenewalFailed<'a> {
    shop: &'a str,
    greeting: String,
    product: &'a str,
    amount: Money,
    again: Option<String>,
    link: String,
}

impl Write for RenewalFailedLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = RenewalFailed {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            product: &self.product,
            amount: self.amount,
            again: self.next_try.map(day),
            link: subscription_link(head, self.subscription),
        };
        letter(to, format!("Your subscription to {} could not be renewed", self.product), &text)
    }
}

fn subscription_link(head: &Letterhead, subscription: SubscriptionId) -> String {
    head.link(&format!("/subscriptions/{subscription}"))
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

#[derive(Template)]
#[template(path = "notifications/templates/subscription_ended.txt")]
struct SubscriptionEnded<'a> {
    shop: &'a str,
    greeting: String,
    product: &'a str,
    day: String,
    link: String,
}

impl Write for SubscriptionEndedLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = SubscriptionEnded {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            product: &self.product,
            day: day(self.ended_at),
            link: subscription_link(head, self.subscription),
        };
        letter(to, format!("Your subscription to {} ended", self.product), &text)
    }
}

/// To operators: an order that a person has to look at.
#[derive(Debug)]
pub struct OrderNeedsAttentionLetter {
    /// Which order.
    pub order: OrderId,
    /// What is the matter, in a sentence.
    pub reason: String,
}

#[derive(Template)]
#[template(path = "notifications/templates/order_needs_attention.txt")]
struct OrderNeedsAttention<'a> {
    shop: &'a str,
    order: OrderId,
    reason: &'a str,
    link: String,
}

impl Write for OrderNeedsAttentionLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let link = head.link(&format!("/admin/orders/{}", self.order));
        let text = OrderNeedsAttention { shop: &head.shop, order: self.order, reason: &self.reason, link };
        letter(to, format!("{}: an order needs attention", head.shop), &text)
    }
}

#[cfg(test)]
mod tests;
