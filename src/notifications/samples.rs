//! Every letter with something in it, to look at and to try.

use uuid::Uuid;

use super::{
    AccountDeletedLetter, AlreadyRegisteredLetter, ClaimPurchasesLetter, CredentialStuckLetter, DataExportReadyLetter,
    DeletionScheduledLetter, Dispute, DownloadReadyLetter, GuestSupportLetter, LicenseExpiringLetter,
    OrderDisputedLetter, OrderFulfilledLetter, OrderLine, OrderNeedsAttentionLetter, OrderPaidLetter,
    OrderRefundedLetter, PasswordChangedLetter, RenewalFailedLetter, ResetPasswordLetter, SourceBrokenLetter,
    SubscriptionEndedLetter, Template, TicketAnsweredLetter, TicketHead, TicketLateLetter, TicketNewsLetter,
    TicketOpenedLetter, TicketSolvedLetter, VerifyEmailLetter, Write,
};
use crate::kernel::{Currency, LicenseId, Money, OrderId, SubscriptionId, TicketId, Time};

/// What samples are about.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What somebody is called.
    pub name: String,
    /// What a product is called, and a ticket's subject.
    pub title: String,
    /// What somebody wrote.
    pub body: String,
    /// When it happens.
    pub at: Time,
}

impl Sample {
    /// A harmless one, at a time.
    #[must_use]
    pub fn at(at: Time) -> Self {
        Self { name: "Ada".to_owned(), title: "Editor & <Tools>".to_owned(), body: "It stops.\n\nWhy?".to_owned(), at }
    }

    /// The letters of a template, one for each of its turns.
    #[must_use]
    pub fn letters(&self, template: Template) -> Vec<Box<dyn Write>> {
        let Self { title, body, at, .. } = self.clone();
        let (name, token) = (Some(self.name.clone()), "0123abcd".to_owned());
        match template {
            Template::VerifyEmail => vec![Box::new(VerifyEmailLetter { name, token })],
            Template::ResetPassword => vec![Box::new(ResetPasswordLetter { name, token })],
            Template::AlreadyRegistered => vec![Box::new(AlreadyRegisteredLetter { name })],
            Template::PasswordChanged => vec![Box::new(PasswordChangedLetter { name })],
            Template::ClaimPurchases => vec![Box::new(ClaimPurchasesLetter { token, expires_at: at })],
            Template::GuestSupport => vec![Box::new(GuestSupportLetter { token, expires_at: at })],
            Template::OrderPaid | Template::OrderFulfilled | Template::OrderRefunded | Template::OrderDisputed => {
                self.of_order(template)
            }
            Template::DownloadReady => {
                let letter = |version: &str| -> Box<dyn Write> {
                    let (name, product, file) = (name.clone(), title.clone(), "editor.zip".to_owned());
                    Box::new(DownloadReadyLetter { name, product, file, version: version.to_owned() })
                };
                vec![letter("2.1"), letter("")]
            }
            Template::LicenseExpiring | Template::RenewalFailed | Template::SubscriptionEnded => {
                self.of_license(template)
            }
            Template::OrderNeedsAttention => {
                vec![Box::new(OrderNeedsAttentionLetter { order: order(), reason: "It was paid twice.".to_owned() })]
            }
            Template::SourceBroken => {
                let problem = "there is no file at its address".to_owned();
                vec![Box::new(SourceBrokenLetter { product: title, source: "editor.zip".to_owned(), problem })]
            }
            Template::CredentialStuck => vec![Box::new(CredentialStuckLetter {
                product: title,
                license: "lic_01h455vb4pex5vsknk084sn02q".to_owned(),
                credential: "crd_01h455vb4pex5vsknk084sn02q".to_owned(),
                state: "provisioning".to_owned(),
                problem: "it answers with the status 503".to_owned(),
            })],
            Template::DataExportReady => [Some(token), None]
                .map(|token| -> Box<dyn Write> {
                    Box::new(DataExportReadyLetter { name: name.clone(), token, expires_at: at })
                })
                .into(),
            Template::DeletionScheduled => vec![Box::new(DeletionScheduledLetter { name, due_at: at })],
            Template::AccountDeleted => vec![Box::new(AccountDeletedLetter { done_at: at })],
            Template::TicketOpened
            | Template::TicketNews
            | Template::TicketAnswered
            | Template::TicketSolved
            | Template::TicketLate => self.of_ticket(template, &body),
        }
    }

    fn of_order(&self, template: Template) -> Vec<Box<dyn Write>> {
        let (name, order) = (Some(self.name.clone()), order());
        match template {
            Template::OrderPaid => vec![Box::new(OrderPaidLetter { name, order, total: money(3998) })],
            Template::OrderRefunded => [true, false]
                .map(|revoked| -> Box<dyn Write> {
                    Box::new(OrderRefundedLetter { name: name.clone(), order, amount: money(1999), revoked })
                })
                .into(),
            Template::OrderDisputed => [Dispute::Open, Dispute::Won, Dispute::Lost]
                .map(|dispute| -> Box<dyn Write> {
                    Box::new(OrderDisputedLetter { name: name.clone(), order, dispute })
                })
                .into(),
            _ => {
                let line = |plan: &str, keys: &[&str]| OrderLine {
                    title: self.title.clone(),
                    plan: plan.to_owned(),
                    quantity: 2,
                    amount: money(2199),
                    keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                };
                let lines = vec![line("Yearly", &["MINTREU-A", "MINTREU-B"]), line("", &[])];
                let whole = OrderFulfilledLetter {
                    name,
                    order,
                    lines,
                    discount: Some(money(400)),
                    tax: Some(money(760)),
                    total: money(4758),
                    files: true,
                    claim_token: None,
                };
                let guest = OrderFulfilledLetter {
                    name: None,
                    order,
                    lines: whole.lines.clone(),
                    discount: None,
                    tax: None,
                    total: money(4398),
                    files: false,
                    claim_token: Some("0123abcd".to_owned()),
                };
                vec![Box::new(whole), Box::new(guest)]
            }
        }
    }

    fn of_license(&self, template: Template) -> Vec<Box<dyn Write>> {
        let (name, product) = (Some(self.name.clone()), self.title.clone());
        let subscription = SubscriptionId::from_uuid(Uuid::from_u128(3));
        match template {
            Template::RenewalFailed => [Some(self.at), None]
                .map(|next_try| -> Box<dyn Write> {
                    let (name, product, amount) = (name.clone(), product.clone(), money(999));
                    Box::new(RenewalFailedLetter { name, subscription, product, amount, next_try })
                })
                .into(),
            Template::SubscriptionEnded => {
                vec![Box::new(SubscriptionEndedLetter { name, subscription, product, ended_at: self.at })]
            }
            _ => [(30, false), (1, true), (0, false)]
                .map(|(days, renews)| -> Box<dyn Write> {
                    Box::new(LicenseExpiringLetter {
                        name: name.clone(),
                        license: LicenseId::from_uuid(Uuid::from_u128(2)),
                        product: product.clone(),
                        key: "MINTREU-…-ABCD".to_owned(),
                        days,
                        expires_at: self.at,
                        renews,
                    })
                })
                .into(),
        }
    }

    fn of_ticket(&self, template: Template, body: &str) -> Vec<Box<dyn Write>> {
        let (name, body, due) = (Some(self.name.clone()), body.to_owned(), self.at);
        let id = TicketId::from_uuid(Uuid::from_u128(1));
        let ticket = TicketHead { id, subject: self.title.clone(), guest_token: None };
        let author = self.name.clone();
        match template {
            Template::TicketOpened => vec![Box::new(TicketOpenedLetter { name, ticket, due })],
            Template::TicketNews => {
                let (author, product) = (Some(author), Some(self.title.clone()));
                [(&author, &None, true), (&author, &product, false), (&None, &None, true), (&None, &product, false)]
                    .map(|(author, product, operator)| -> Box<dyn Write> {
                        let (ticket, author, body) = (ticket.clone(), author.clone(), body.clone());
                        Box::new(TicketNewsLetter { ticket, author, body, product: product.clone(), operator })
                    })
                    .into()
            }
            Template::TicketAnswered => [false, true]
                .map(|solved| -> Box<dyn Write> {
                    let (name, ticket, author, body) = (name.clone(), ticket.clone(), author.clone(), body.clone());
                    Box::new(TicketAnsweredLetter { name, ticket, author, body, solved })
                })
                .into(),
            Template::TicketSolved => vec![Box::new(TicketSolvedLetter { name, ticket })],
            _ => [false, true]
                .map(|resolution| -> Box<dyn Write> {
                    let (ticket, priority) = (ticket.clone(), "high".to_owned());
                    Box::new(TicketLateLetter { ticket, resolution, due, priority })
                })
                .into(),
        }
    }
}

const fn order() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(1))
}

fn money(amount: i64) -> Money {
    Money::new(amount, Currency::EUR)
}

#[cfg(test)]
mod tests;
