//! What letters say, in each language: a file of messages each (`languages/`), named by the language's code.
//!
//! Adding a language is adding a file; whatever it lacks is said in English. Placeholders in braces are filled with what
//! people wrote too, so everything that is filled in is cleaned first: one line, no signs that turn the reading direction
//! of what stands beside it, and not longer than a sentence bears.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::LazyLock,
};

use serde::Deserialize;

use crate::kernel::{Money, Time};

/// The files: the code, and what stands in it.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));
/// What is said where nothing else is known.
pub const ENGLISH: &str = "en";
/// The most that a value may add to a sentence, in characters.
const LONGEST_VALUE: usize = 300;

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let read = FILES.iter().map(|(code, text)| (code, Language::read(code, text)));
    read.filter_map(|(code, language)| {
        language.inspect_err(|error| tracing::error!(code, %error, "a language cannot be read")).ok()
    })
    .collect()
});

/// A language.
#[derive(Debug)]
pub struct Language {
    code: &'static str,
    name: String,
    direction: Direction,
    decimal: String,
    date: Dates,
    messages: HashMap<String, Message>,
}

/// Which way a language is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From left to right.
    Ltr,
    /// From right to left.
    Rtl,
}

impl Direction {
    /// As HTML says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dates {
    months: [String; 12],
    day: String,
    moment: String,
}

/// A file as it is written.
#[derive(Deserialize)]
struct File {
    name: String,
    direction: Direction,
    decimal: String,
    date: Dates,
    #[serde(flatten)]
    messages: BTreeMap<String, BTreeMap<String, String>>,
}

/// A message, taken apart.
#[derive(Debug)]
struct Message(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Value(String),
}

impl Message {
    fn read(text: &str) -> Self {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Self(parts)
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
}

/// What fills a placeholder.
#[derive(Debug, Clone, Copy)]
pub enum Word<'a> {
    /// What somebody wrote: a name, a title, a subject.
    Text(&'a str),
    /// An amount.
    Money(Money),
    /// A day.
    Day(Time),
    /// A day and a time.
    Moment(Time),
    /// So many.
    Count(i64),
}

/// The placeholders' names, and what fills them.
pub(super) type Words<'a> = &'a [(&'static str, Word<'a>)];

/// All languages, by their codes.
#[must_use]
pub fn languages() -> &'static [Language] {
    &LANGUAGES
}

/// Whether there is such a language.
#[must_use]
pub fn is_language(code: &str) -> bool {
    LANGUAGES.iter().any(|language| language.code == code)
}

/// The language of this code; English if there is none.
#[must_use]
pub fn language(code: Option<&str>) -> Option<&'static Language> {
    let find = |wanted: &str| LANGUAGES.iter().find(|language| language.code == wanted);
    code.and_then(find).or_else(|| find(ENGLISH))
}

impl Language {
    fn read(code: &'static str, text: &str) -> Result<Self, toml::de::Error> {
        let File { name, direction, decimal, date, messages } = toml::from_str(text)?;
        let messages = messages.into_iter().flat_map(|(section, messages)| {
            messages.into_iter().map(move |(name, text)| (format!("{section}.{name}"), Message::read(&text)))
        });
        Ok(Self { code, name, direction, decimal, date, messages: messages.collect() })
    }

    /// Its code, e.g. `de`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What it is called in itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which way it is read.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether it has a message of its own for this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.messages.contains_key(key)
    }

    /// Every message's key, and the placeholders in it, sorted.
    #[must_use]
    pub fn placeholders(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut all = BTreeMap::new();
        for (key, message) in &self.messages {
            let mut values: Vec<_> = message.values().collect();
            values.sort_unstable();
            values.dedup();
            all.insert(key.as_str(), values);
        }
        all
    }

    /// A message, filled.
    #[must_use]
    pub fn say(&self, key: &str, words: Words<'_>) -> String {
        let english = || language(None).and_then(|language| language.messages.get(key));
        let Some(message) = self.messages.get(key).or_else(english) else {
            tracing::error!(key, "no language has this message");
            return String::new();
        };
        let mut said = String::with_capacity(160);
        for part in &message.0 {
            match part {
                Part::Text(text) => said.push_str(text),
                Part::Value(name) => {
                    if let Some((_, word)) = words.iter().find(|(known, _)| known == name) {
                        self.write_word(&mut said, *word);
                    } else {
                        tracing::error!(key, name, "a message wants what nobody fills in");
                    }
                }
            }
        }
        said
    }

    fn write_word(&self, said: &mut String, word: Word<'_>) {
        // Writing into a text cannot fail.
        match word {
            Word::Text(text) => said.push_str(&line(text, LONGEST_VALUE)),
            Word::Money(money) => said.push_str(&self.money(money)),
            Word::Day(time) => said.push_str(&self.day(time)),
            Word::Moment(time) => said.push_str(&self.moment(time)),
            Word::Count(count) => _ = write!(said, "{count}"),
        }
    }

    /// `19,99 EUR`
    #[must_use]
    pub fn money(&self, money: Money) -> String {
        money.to_string().replace('.', &self.decimal)
    }

    fn day(&self, time: Time) -> String {
        let date = time.to_datetime();
        let (day, year) = (date.format("%-d").to_string(), date.format("%Y").to_string());
        let month = date.format("%-m").to_string().parse().unwrap_or(1_usize);
        let month = self.date.months.get(month - 1).map_or("", String::as_str);
        fill(&self.date.day, &[("day", &day), ("month", month), ("year", &year)])
    }

    fn moment(&self, time: Time) -> String {
        let clock = time.to_datetime().format("%H:%M").to_string();
        fill(&self.date.moment, &[("date", &self.day(time)), ("time", &clock)])
    }
}

/// A text of the program's own with its placeholders replaced.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = text.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    filled
}

/// What somebody wrote, fit to stand in a line: without control characters, and without those that turn the reading
/// direction of what follows. A text that is itself read from right to left is set apart (Unicode's first strong isolate).
#[must_use]
pub(super) fn line(text: &str, longest: usize) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control();
    let text = text.trim();
    if text.len() <= longest && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len().min(4 * longest));
    let mut blank = false;
    for c in text.chars().filter(|c| !turns(*c)).map(|c| if is_break(c) { ' ' } else { c }).take(longest + 1) {
        // A line break with what stood around it is one blank.
        if c != ' ' || !blank {
            cleaned.push(c);
        }
        blank = c == ' ';
    }
    if let Some((end, _)) = cleaned.char_indices().nth(longest) {
        cleaned.truncate(end);
        cleaned.push('…');
    }
    if cleaned.chars().any(is_right_to_left) { format!("\u{2068}{cleaned}\u{2069}").into() } else { cleaned.into() }
}

/// What somebody wrote in several lines, fit to stand among others.
#[must_use]
pub(super) fn lines(text: &str, longest: usize) -> String {
    let fit = |c: char| !turns(c) && (!c.is_control() || c == '\n' || c == '\t');
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let mut kept: String = text.chars().filter(|c| fit(*c)).take(longest + 1).collect();
    if let Some((end, _)) = kept.char_indices().nth(longest) {
        kept.truncate(end);
        kept.push('…');
    }
    kept
}

fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks, embeddings, overrides and isolates of the reading direction (Unicode Standard Annex 9).
const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Hebrew, Arabic and the scripts beside them.
const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_everything_with_the_same_words() {
        assert_eq!(languages().len(), FILES.len(), "every file can be read");
        let english = language(None).expect("English").placeholders();
        assert!(english.len() > 60 && languages().len() > 1, "{}", english.len());
        for language in languages() {
            let own = language.placeholders();
            let keys = |of: &BTreeMap<&str, Vec<&str>>| of.keys().map(|key| (*key).to_owned()).collect::<Vec<_>>();
            assert_eq!(keys(&own), keys(&english), "{}", language.code);
            for (key, words) in &english {
                assert_eq!(own[key], *words, "{}: {key}", language.code);
            }
            assert!(!language.name.is_empty() && !language.decimal.is_empty());
            for word in ["{day}", "{month}", "{year}"] {
                assert!(language.date.day.contains(word), "{}: {word}", language.code);
            }
            assert!(language.date.moment.contains("{date}") && language.date.moment.contains("{time}"));
        }
    }

    #[test]
    fn a_message_that_a_language_lacks_is_said_in_english() {
        let bare = "name = 'Bare'\ndirection = 'rtl'\ndecimal = ','\n[date]\nmonths = ['1', '2', '3', '4', '5', '6', \
                    '7', '8', '9', '10', '11', '12']\nday = '{day}.{month}.{year}'\nmoment = '{date} {time}'\n";
        let bare = Language::read("xx", bare).expect("a language");
        assert_eq!(bare.say("letter.hello", &[("name", Word::Text("Ada"))]), "Hello Ada,");
        let noon: Time = "2026-03-01T12:05:00Z".parse().expect("a time");
        assert_eq!(bare.moment(noon), "1.3.2026 12:05");
        assert!(language(Some("xx")).is_some_and(|language| language.code == ENGLISH), "nobody knows it");
    }

    #[test]
    fn amounts_and_days_are_written_as_the_language_writes_them() {
        let german = language(Some("de")).expect("German");
        let noon: Time = "2026-03-01T12:05:00Z".parse().expect("a time");
        assert_eq!(german.money(Money::new(1999, "EUR".parse().expect("a currency"))), "19,99 EUR");
        assert_eq!(german.moment(noon), "1. März 2026, 12:05 UTC");
    }

    #[test]
    fn what_people_wrote_cannot_leave_its_place() {
        assert_eq!(line(" Ada\r\nBcc: eve@example.com\0 ", 300), "Ada Bcc: eve@example.com ");
        assert_eq!(line("abc\u{202e}def\u{2066}g", 300), "abcdefg");
        assert_eq!(line("שלום", 300), "\u{2068}שלום\u{2069}");
        assert_eq!(line(&"x".repeat(10_000), 300).chars().count(), 301);
        assert_eq!(line(&"é".repeat(10_000), 300).chars().count(), 301);
        assert_eq!(lines("a\r\nb\0c\u{202e}\u{7}", 300), "a\nbc");
    }
}
