//! A mail before it is sent.

use askama::Template;

use crate::kernel::Time;

/// What a mail says, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The one address that it goes to.
    pub to: String,
    /// In one line.
    pub subject: String,
    /// For every reader.
    pub text: String,
    /// The same for those that show more.
    pub html: Option<String>,
    /// The conversation that it belongs to, if it does.
    pub thread: Option<Thread>,
}

/// How a letter belongs to a conversation, so that readers' programs show its letters together and an answer comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// Names the conversation in `References`, e.g. a ticket's identifier.
    pub topic: String,
    /// The `Message-ID` that it answers, without brackets; the conversation itself if none is known.
    pub answers: Option<String>,
    /// Where an answer goes.
    pub reply_to: Option<String>,
}

/// What stands in every letter.
#[derive(Debug, Clone)]
pub struct Letterhead {
    /// What the shop is called.
    pub shop: String,
    /// Where it is, without a slash at the end.
    pub url: String,
}

impl Letterhead {
    /// A link to one of the shop's pages.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// A template that cannot be filled: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the letter cannot be written: {0}")]
pub struct Unwritable(String);

/// What can be written to somebody.
pub trait Write: Sized {
    /// The letter to the address `to`.
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable>;
}

/// Fills a template of text.
pub(super) fn letter(to: &str, subject: impl Into<String>, text: &impl Template) -> Result<Letter, Unwritable> {
    let text = text.render().map_err(|error| Unwritable(error.to_string()))?;
    Ok(Letter { to: to.to_owned(), subject: subject.into(), text, html: None, thread: None })
}

/// A day as people write it: `1 March 2026`.
pub(super) fn day(time: Time) -> String {
    time.to_datetime().format("%-d %B %Y").to_string()
}

/// How a letter begins.
pub(super) fn greeting(name: Option<&str>) -> String {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => format!("Hello {name},"),
        None => "Hello,".to_owned(),
    }
}
