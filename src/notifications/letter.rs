//! A mail before it is sent: what it says, put on the one layout that all of them have.

use askama::Template as _;

use super::{
    Language, Template, Topic, Word,
    languages::{self, Words},
};
use crate::kernel::Money;

/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;
/// The most that is quoted of what somebody wrote, in characters.
const LONGEST_QUOTE: usize = 20_000;
/// The most positions of an order that a letter lists; the page of the order has them all.
const MOST_ITEMS: usize = 200;

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
    pub html: String,
    /// The conversation that it belongs to, if it does.
    pub thread: Option<Thread>,
    /// Where one request makes it the last of its kind (RFC 8058).
    pub unsubscribe: Option<String>,
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

    /// The letter that `words` become in a language.
    pub fn letter(&self, language: &Language, to: &str, words: &dyn Write) -> Result<Letter, Unwritable> {
        self.letter_with(language, to, words, None)
    }

    /// The same with the address at which it can be declined.
    pub fn letter_with(
        &self,
        language: &Language,
        to: &str,
        words: &dyn Write,
        unsubscribe: Option<String>,
    ) -> Result<Letter, Unwritable> {
        let mut sheet = Sheet { head: self, language, subject: String::new(), blocks: Vec::new() };
        words.write(&mut sheet);
        if let Some(url) = &unsubscribe {
            let told = language.say("letter.unsubscribe", &[("shop", Word::Text(&self.shop))]);
            sheet.blocks.push(Block::Small { told, url: url.clone() });
        }
        let Sheet { subject, blocks, .. } = sheet;
        let shop = languages::line(&self.shop, 100);
        let text = TextLayout { blocks: &blocks, shop: &shop }.render().map_err(unwritable)?;
        let html = HtmlLayout {
            blocks: &blocks,
            shop: &shop,
            url: &self.url,
            subject: &subject,
            language: language.code(),
            direction: language.direction().as_str(),
        }
        .render()
        .map_err(unwritable)?;
        Ok(Letter { to: to.to_owned(), subject, text, html, thread: None, unsubscribe })
    }
}

/// A layout that cannot be filled: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the letter cannot be written: {0}")]
pub struct Unwritable(String);

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn unwritable(error: askama::Error) -> Unwritable {
    Unwritable(error.to_string())
}

/// What can be written to somebody.
pub trait Write: Send + Sync {
    /// Which letter it is.
    fn template(&self) -> Template;
    /// Puts it on the sheet.
    fn write(&self, sheet: &mut Sheet<'_>);
}

/// A letter while it is written: one block after the other, in one language.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// Whose letter it is.
    pub(super) head: &'a Letterhead,
    language: &'a Language,
    subject: String,
    blocks: Vec<Block>,
}

/// What a letter is made of. Both layouts know each.
#[derive(Debug)]
pub(super) enum Block {
    Paragraph(String),
    /// Something to open; what it is called, and where it is.
    Link {
        label: String,
        url: String,
    },
    /// The one thing that the letter is for.
    Button {
        label: String,
        url: String,
    },
    /// A key, to be copied.
    Code(String),
    /// What somebody wrote.
    Quote(Vec<String>),
    /// What was bought.
    Items(Vec<Item>),
    /// Why it came, and how it is the last.
    Small {
        told: String,
        url: String,
    },
}

/// A position.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) title: String,
    pub(super) amount: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Sheet<'_> {
    pub(super) fn phrase(&self, key: &str, words: Words<'_>) -> String {
        self.language.say(key, words)
    }

    pub(super) fn money(&self, money: Money) -> String {
        self.language.money(money)
    }

    pub(super) fn subject(&mut self, key: &str, words: Words<'_>) {
        // Longer than a value may be, several of them may still be too long together.
        self.subject = languages::line(&self.phrase(key, words), LONGEST_SUBJECT).into_owned();
    }

    pub(super) fn greet(&mut self, name: Option<&str>) {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let said = match name {
            Some(name) => self.phrase("letter.hello", &[("name", Word::Text(name))]),
            None => self.phrase("letter.hello_nobody", &[]),
        };
        self.blocks.push(Block::Paragraph(said));
    }

    pub(super) fn say(&mut self, key: &str, words: Words<'_>) {
        let said = self.phrase(key, words);
        self.blocks.push(Block::Paragraph(said));
    }

    /// A text of the program's own that no language has.
    pub(super) fn plain(&mut self, text: &str) {
        self.blocks.push(Block::Paragraph(languages::line(text, 1_000).into_owned()));
    }

    pub(super) fn link(&mut self, key: &str, path: &str) {
        let (label, url) = (self.phrase(key, &[]), self.head.link(path));
        self.blocks.push(Block::Link { label, url });
    }

    pub(super) fn button(&mut self, key: &str, path: &str) {
        let (label, url) = (self.phrase(key, &[]), self.head.link(path));
        self.blocks.push(Block::Button { label, url });
    }

    pub(super) fn code(&mut self, text: &str) {
        self.blocks.push(Block::Code(languages::line(text, 300).into_owned()));
    }

    pub(super) fn quote(&mut self, text: &str) {
        let lines = languages::lines(text.trim(), LONGEST_QUOTE);
        self.blocks.push(Block::Quote(lines.lines().map(str::to_owned).collect()));
    }

    pub(super) fn items(&mut self, mut items: Vec<Item>) {
        if items.len() > MOST_ITEMS {
            items.truncate(MOST_ITEMS);
            items.push(Item { title: "…".to_owned(), amount: None, notes: Vec::new() });
        }
        self.blocks.push(Block::Items(items));
    }
}

#[derive(askama::Template)]
#[template(path = "notifications/layout/letter.txt")]
struct TextLayout<'a> {
    blocks: &'a [Block],
    shop: &'a str,
}

#[derive(askama::Template)]
#[template(path = "notifications/layout/letter.html")]
struct HtmlLayout<'a> {
    blocks: &'a [Block],
    shop: &'a str,
    url: &'a str,
    subject: &'a str,
    language: &'a str,
    direction: &'a str,
}

/// The page that asks before somebody declines letters, or tells that they have.
#[derive(Debug)]
pub struct UnsubscribePage<'a> {
    /// Whose shop it is.
    pub head: &'a Letterhead,
    /// In which language.
    pub language: &'a Language,
    /// What is declined.
    pub topic: Topic,
    /// Whether it was.
    pub done: bool,
}

#[derive(askama::Template)]
#[template(path = "notifications/layout/unsubscribe.html")]
struct PageLayout<'a> {
    language: &'a str,
    direction: &'a str,
    title: String,
    told: String,
    keep: String,
    button: Option<String>,
}

impl UnsubscribePage<'_> {
    /// The page's HTML.
    pub fn render(&self) -> Result<String, Unwritable> {
        let language = self.language;
        let asked = format!("unsubscribe.{}", self.topic);
        PageLayout {
            language: language.code(),
            direction: language.direction().as_str(),
            title: language.say("unsubscribe.title", &[("shop", Word::Text(&self.head.shop))]),
            told: language.say(if self.done { "unsubscribe.done" } else { &asked }, &[]),
            keep: language.say("unsubscribe.keep", &[]),
            button: (!self.done).then(|| language.say("unsubscribe.button", &[])),
        }
        .render()
        .map_err(unwritable)
    }
}
