//! What customers, and those who answer them, are told of tickets.
//!
//! Each letter is plain data: what it says is gathered by the actor that sends it.

use askama::Template;

use super::letter::{Letter, Letterhead, Unwritable, Write, greeting, letter};
use crate::kernel::{TicketId, Time};

/// What every letter about a ticket names.
#[derive(Debug, Clone)]
pub struct TicketHead {
    /// Which one.
    pub id: TicketId,
    /// In a line.
    pub subject: String,
}

impl TicketHead {
    /// One subject for all letters of a ticket: programs that do not follow `References` follow this.
    fn line(&self, shop: &Letterhead) -> String {
        format!("[{}] {}", shop.shop, self.subject)
    }
}

/// A moment as people write it: `1 March 2026, 14:05 UTC`.
fn moment(time: Time) -> String {
    time.to_datetime().format("%-d %B %Y, %H:%M UTC").to_string()
}

/// To the customer: the ticket arrived.
#[derive(Debug)]
pub struct TicketOpenedLetter {
    /// What the customer is called.
    pub name: Option<String>,
    /// Which ticket.
    pub ticket: TicketHead,
    /// By when somebody is to answer.
    pub due: Time,
}

#[derive(Template)]
#[template(path = "notifications/templates/ticket_opened.txt")]
struct TicketOpened<'a> {
    shop: &'a str,
    greeting: String,
    subject: &'a str,
    due: String,
    link: String,
}

impl Write for TicketOpenedLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = TicketOpened {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            subject: &self.ticket.subject,
            due: moment(self.due),
            link: head.link(&format!("/tickets/{}", self.ticket.id)),
        };
        letter(to, self.ticket.line(head), &text)
    }
}

/// To those who answer: what the customer wrote.
#[derive(Debug)]
pub struct TicketNewsLetter {
    /// Which ticket.
    pub ticket: TicketHead,
    /// Who wrote.
    pub author: String,
    /// What.
    pub body: String,
    /// About which product.
    pub product: Option<String>,
    /// Whether it goes to an operator; else to the product's developer.
    pub operator: bool,
}

#[derive(Template)]
#[template(path = "notifications/templates/ticket_news.txt")]
struct TicketNews<'a> {
    shop: &'a str,
    author: &'a str,
    subject: &'a str,
    body: &'a str,
    product: Option<&'a str>,
    link: String,
}

impl Write for TicketNewsLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let desk = if self.operator { "admin" } else { "developer" };
        let text = TicketNews {
            shop: &head.shop,
            author: &self.author,
            subject: &self.ticket.subject,
            body: &self.body,
            product: self.product.as_deref(),
            link: head.link(&format!("/{desk}/tickets/{}", self.ticket.id)),
        };
        letter(to, self.ticket.line(head), &text)
    }
}

/// To the customer: an answer.
#[derive(Debug)]
pub struct TicketAnsweredLetter {
    /// What the customer is called.
    pub name: Option<String>,
    /// Which ticket.
    pub ticket: TicketHead,
    /// Who answers.
    pub author: String,
    /// What.
    pub body: String,
    /// Whether that is all.
    pub solved: bool,
}

#[derive(Template)]
#[template(path = "notifications/templates/ticket_answered.txt")]
struct TicketAnswered<'a> {
    shop: &'a str,
    greeting: String,
    author: &'a str,
    body: &'a str,
    solved: bool,
    link: String,
}

impl Write for TicketAnsweredLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = TicketAnswered {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            author: &self.author,
            body: &self.body,
            solved: self.solved,
            link: head.link(&format!("/tickets/{}", self.ticket.id)),
        };
        letter(to, self.ticket.line(head), &text)
    }
}

/// To the customer: the ticket is solved.
#[derive(Debug)]
pub struct TicketSolvedLetter {
    /// What the customer is called.
    pub name: Option<String>,
    /// Which ticket.
    pub ticket: TicketHead,
}

#[derive(Template)]
#[template(path = "notifications/templates/ticket_solved.txt")]
struct TicketSolved<'a> {
    shop: &'a str,
    greeting: String,
    subject: &'a str,
    link: String,
}

impl Write for TicketSolvedLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = TicketSolved {
            shop: &head.shop,
            greeting: greeting(self.name.as_deref()),
            subject: &self.ticket.subject,
            link: head.link(&format!("/tickets/{}", self.ticket.id)),
        };
        letter(to, self.ticket.line(head), &text)
    }
}

/// To operators: a target was missed.
#[derive(Debug)]
pub struct TicketLateLetter {
    /// Which ticket.
    pub ticket: TicketHead,
    /// Whether it is not solved; else it is not answered.
    pub resolution: bool,
    /// By when it should have been.
    pub due: Time,
    /// How much it presses.
    pub priority: String,
}

#[derive(Template)]
#[template(path = "notifications/templates/ticket_late.txt")]
struct TicketLate<'a> {
    shop: &'a str,
    subject: &'a str,
    resolution: bool,
    due: String,
    priority: &'a str,
    link: String,
}

impl Write for TicketLateLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = TicketLate {
            shop: &head.shop,
            subject: &self.ticket.subject,
            resolution: self.resolution,
            due: moment(self.due),
            priority: &self.priority,
            link: head.link(&format!("/admin/tickets/{}", self.ticket.id)),
        };
        letter(to, format!("{}: a ticket is late", head.shop), &text)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn written(letter: &impl Write) -> String {
        let head = Letterhead { shop: "Ada's shop".to_owned(), url: "https://shop.example.com".to_owned() };
        let letter = letter.write(&head, "ada@example.com").expect("written");
        format!("Subject: {}\n\n{}", letter.subject, letter.text)
    }

    #[test]
    fn letters_about_tickets() {
        let ticket =
            || TicketHead { id: TicketId::from_uuid(Uuid::from_u128(1)), subject: "It <does> & not".to_owned() };
        let due: Time = "2026-03-01T12:00:00Z".parse().expect("a time");
        let (name, body) = (Some("Ada".to_owned()), "It stops.\n\nWhy?".to_owned());
        insta::assert_snapshot!(written(&TicketOpenedLetter { name: name.clone(), ticket: ticket(), due }));
        for (operator, product) in [(true, None), (false, Some("Editor".to_owned()))] {
            let (author, body) = ("Ada".to_owned(), body.clone());
            insta::assert_snapshot!(written(&TicketNewsLetter { ticket: ticket(), author, body, product, operator }));
        }
        for solved in [false, true] {
            let (author, body, name) = ("Grace".to_owned(), body.clone(), name.clone());
            insta::assert_snapshot!(written(&TicketAnsweredLetter { name, ticket: ticket(), author, body, solved }));
        }
        insta::assert_snapshot!(written(&TicketSolvedLetter { name, ticket: ticket() }));
        for resolution in [false, true] {
            let priority = "high".to_owned();
            insta::assert_snapshot!(written(&TicketLateLetter { ticket: ticket(), resolution, due, priority }));
        }
    }
}
