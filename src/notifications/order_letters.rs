//! What buyers and operators are told of orders.
//!
//! Each letter is plain data: what it says is gathered by the actor that sends it.

use super::{
    Template, Word,
    letter::{Item, Sheet, Write},
};
use crate::kernel::{Money, OrderId};

/// One position of an order.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// What was bought.
    pub title: String,
    /// In which plan; empty if there is but one.
    pub plan: String,
    /// How many.
    pub quantity: i64,
    /// What they cost before any discount, without tax.
    pub amount: Money,
    /// The licence keys that it gave.
    pub keys: Vec<String>,
}

impl OrderLine {
    fn item(&self, sheet: &Sheet<'_>) -> Item {
        let title = super::languages::line(&self.title, 200);
        let plan = super::languages::line(&self.plan, 100);
        let plan = if plan.is_empty() { String::new() } else { format!(" ({plan})") };
        let note = |key: &String| sheet.phrase("order_fulfilled.key", &[("key", Word::Text(key))]);
        Item {
            title: format!("{} x {title}{plan}", self.quantity),
            amount: Some(sheet.money(self.amount)),
            notes: self.keys.iter().map(note).collect(),
        }
    }
}

/// A payment arrived, and what it was for is not there yet.
#[derive(Debug)]
pub struct OrderPaidLetter {
    /// What the buyer is called, if that is known.
    pub name: Option<String>,
    /// Which order.
    pub order: OrderId,
    /// What was paid.
    pub total: Money,
}

impl Write for OrderPaidLetter {
    fn template(&self) -> Template {
        Template::OrderPaid
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (head, order) = (sheet.head, self.order.to_string());
        sheet.subject("order_paid.subject", &[("shop", Word::Text(&head.shop))]);
        sheet.greet(self.name.as_deref());
        sheet.say("order_paid.told", &[("order", Word::Text(&order)), ("total", Word::Money(self.total))]);
        sheet.say("order_paid.wait", &[]);
        sheet.link("order_paid.order", &format!("/orders/{order}"));
    }
}

/// What a paid order gave, and what it cost: its receipt.
#[derive(Debug)]
pub struct OrderFulfilledLetter {
    /// What the buyer is called, if that is known.
    pub name: Option<String>,
    /// Which order.
    pub order: OrderId,
    /// Its positions.
    pub lines: Vec<OrderLine>,
    /// What was taken off, if something was.
    pub discount: Option<Money>,
    /// What tax came on top, if some did.
    pub tax: Option<Money>,
    /// What was paid.
    pub total: Money,
    /// Whether some of it has files to download.
    pub files: bool,
    /// For a guest: the token that brings it into an account.
    pub claim_token: Option<String>,
}

impl Write for OrderFulfilledLetter {
    fn template(&self) -> Template {
        Template::OrderFulfilled
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (head, order) = (sheet.head, self.order.to_string());
        sheet.subject("order_fulfilled.subject", &[("shop", Word::Text(&head.shop))]);
        sheet.greet(self.name.as_deref());
        sheet.say("order_fulfilled.told", &[("order", Word::Text(&order))]);
        let items = self.lines.iter().map(|line| line.item(sheet)).collect();
        sheet.items(items);
        if let Some(amount) = self.discount {
            sheet.say("order_fulfilled.discount", &[("amount", Word::Money(amount))]);
        }
        if let Some(amount) = self.tax {
            sheet.say("order_fulfilled.tax", &[("amount", Word::Money(amount))]);
        }
        sheet.say("order_fulfilled.total", &[("total", Word::Money(self.total))]);
        sheet.button("order_fulfilled.order", &format!("/orders/{order}"));
        if self.files {
            sheet.link("order_fulfilled.downloads", "/downloads");
        }
        if let Some(token) = &self.claim_token {
            sheet.link("order_fulfilled.claim", &format!("/claim?token={token}"));
        }
    }
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

impl Write for OrderRefundedLetter {
    fn template(&self) -> Template {
        Template::OrderRefunded
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (head, order) = (sheet.head, self.order.to_string());
        let amount = ("amount", Word::Money(self.amount));
        sheet.subject("order_refunded.subject", &[amount, ("shop", Word::Text(&head.shop))]);
        sheet.greet(self.name.as_deref());
        sheet.say("order_refunded.told", &[amount, ("order", Word::Text(&order))]);
        if self.revoked {
            sheet.say("order_refunded.revoked", &[]);
        }
        sheet.link("order_refunded.order", &format!("/orders/{order}"));
    }
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispute {
    /// The bank decides.
    Open,
    /// The money stays.
    Won,
    /// The money is gone.
    Lost,
}

/// A payment is disputed, or not any more.
#[derive(Debug)]
pub struct OrderDisputedLetter {
    /// What the buyer is called, if that is known.
    pub name: Option<String>,
    /// For which order it was.
    pub order: OrderId,
    /// Where it stands.
    pub dispute: Dispute,
}

impl Write for OrderDisputedLetter {
    fn template(&self) -> Template {
        Template::OrderDisputed
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (head, order) = (sheet.head, self.order.to_string());
        sheet.subject("order_disputed.subject", &[("shop", Word::Text(&head.shop))]);
        sheet.greet(self.name.as_deref());
        let told = match self.dispute {
            Dispute::Open => "order_disputed.open",
            Dispute::Won => "order_disputed.won",
            Dispute::Lost => "order_disputed.lost",
        };
        sheet.say(told, &[("order", Word::Text(&order))]);
        if self.dispute == Dispute::Open {
            sheet.say("order_disputed.mistake", &[]);
        }
        sheet.link("order_disputed.order", &format!("/orders/{order}"));
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

impl Write for OrderNeedsAttentionLetter {
    fn template(&self) -> Template {
        Template::OrderNeedsAttention
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (head, order) = (sheet.head, self.order.to_string());
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("order_needs_attention.subject", &[shop]);
        sheet.say("order_needs_attention.told", &[shop, ("order", Word::Text(&order))]);
        sheet.plain(&self.reason);
        sheet.link("order_needs_attention.order", &format!("/admin/orders/{order}"));
    }
}
