//! What customers, and those who answer them, are told of tickets.
//!
//! Each letter is plain data: what it says is gathered by the actor that sends it.

use super::{
    Template, Word,
    letter::{Sheet, Write},
};
use crate::kernel::{TicketId, Time};

/// What every letter about a ticket names.
#[derive(Debug, Clone)]
pub struct TicketHead {
    /// Which one.
    pub id: TicketId,
    /// In a line.
    pub subject: String,
    /// What opens it to a guest.
    pub guest_token: Option<String>,
}

impl TicketHead {
    /// One subject for all letters of a ticket: programs that do not follow `References` follow this.
    fn title(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        sheet.subject("ticket.subject", &[("shop", Word::Text(&head.shop)), ("subject", Word::Text(&self.subject))]);
    }

    fn path(&self, desk: &str) -> String {
        match &self.guest_token {
            Some(token) => format!("/guest/tickets/{}?token={token}", self.id),
            None => format!("{desk}/tickets/{}", self.id),
        }
    }
}

/// The link with which a guest writes to support.
#[derive(Debug)]
pub struct GuestSupportLetter {
    /// The proof's token.
    pub token: String,
    /// When the link ends.
    pub expires_at: Time,
}

impl Write for GuestSupportLetter {
    fn template(&self) -> Template {
        Template::GuestSupport
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let shop = ("shop", Word::Text(&head.shop));
        sheet.subject("guest_support.subject", &[shop]);
        sheet.greet(None);
        sheet.say("guest_support.told", &[shop, ("until", Word::Day(self.expires_at))]);
        sheet.button("guest_support.open", &format!("/guest/support?token={}", self.token));
    }
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

impl Write for TicketOpenedLetter {
    fn template(&self) -> Template {
        Template::TicketOpened
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        self.ticket.title(sheet);
        sheet.greet(self.name.as_deref());
        let words = [("subject", Word::Text(&self.ticket.subject)), ("due", Word::Moment(self.due))];
        sheet.say("ticket_opened.told", &words);
        sheet.link("ticket_opened.more", &self.ticket.path(""));
    }
}

/// To those who answer: what the customer wrote.
#[derive(Debug)]
pub struct TicketNewsLetter {
    /// Which ticket.
    pub ticket: TicketHead,
    /// Who wrote; none for a guest, whose address a developer is not told.
    pub author: Option<String>,
    /// What.
    pub body: String,
    /// About which product.
    pub product: Option<String>,
    /// Whether it goes to an operator; else to the product's developer.
    pub operator: bool,
}

impl Write for TicketNewsLetter {
    fn template(&self) -> Template {
        Template::TicketNews
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        self.ticket.title(sheet);
        let key = match (&self.author, &self.product) {
            (Some(_), Some(_)) => "ticket_news.wrote_product",
            (Some(_), None) => "ticket_news.wrote",
            (None, Some(_)) => "ticket_news.guest_wrote_product",
            (None, None) => "ticket_news.guest_wrote",
        };
        let author = Word::Text(self.author.as_deref().unwrap_or_default());
        let product = Word::Text(self.product.as_deref().unwrap_or_default());
        sheet.say(key, &[("author", author), ("subject", Word::Text(&self.ticket.subject)), ("product", product)]);
        sheet.quote(&self.body);
        sheet.say("ticket_news.answer", &[]);
        let desk = if self.operator { "/admin" } else { "/developer" };
        sheet.link("ticket_news.ticket", &self.ticket.path(desk));
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

impl Write for TicketAnsweredLetter {
    fn template(&self) -> Template {
        Template::TicketAnswered
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        self.ticket.title(sheet);
        sheet.greet(self.name.as_deref());
        sheet.say("ticket_answered.writes", &[("author", Word::Text(&self.author))]);
        sheet.quote(&self.body);
        if self.solved {
            sheet.say("ticket_answered.solved", &[]);
            sheet.link("ticket_answered.ticket", &self.ticket.path(""));
        } else {
            sheet.link("ticket_answered.answer", &self.ticket.path(""));
        }
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

impl Write for TicketSolvedLetter {
    fn template(&self) -> Template {
        Template::TicketSolved
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        self.ticket.title(sheet);
        sheet.greet(self.name.as_deref());
        sheet.say("ticket_solved.told", &[("subject", Word::Text(&self.ticket.subject))]);
        sheet.link("ticket_solved.ticket", &self.ticket.path(""));
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

impl Write for TicketLateLetter {
    fn template(&self) -> Template {
        Template::TicketLate
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        sheet.subject("ticket_late.subject", &[("shop", Word::Text(&head.shop))]);
        let words = [
            ("subject", Word::Text(&self.ticket.subject)),
            ("priority", Word::Text(&self.priority)),
            ("due", Word::Moment(self.due)),
        ];
        sheet.say(if self.resolution { "ticket_late.resolution" } else { "ticket_late.answer" }, &words);
        sheet.link("ticket_late.ticket", &self.ticket.path("/admin"));
    }
}
