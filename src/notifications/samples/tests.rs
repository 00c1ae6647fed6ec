//! Every letter as its reader sees it, in every language, with whatever people call themselves.

use std::collections::BTreeSet;

use super::*;
use crate::notifications::{Language, Letter, Letterhead, language, languages};

fn head() -> Letterhead {
    Letterhead { shop: "Ada's shop".to_owned(), url: "https://shop.example.com".to_owned() }
}

fn march() -> Time {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

fn written(language: &Language, sample: &Sample, template: Template) -> Vec<Letter> {
    let letters = sample.letters(template);
    assert!(!letters.is_empty() && letters.iter().all(|letter| letter.template() == template));
    let write = |letter: Box<dyn Write>| head().letter(language, "ada@example.com", &*letter).expect("written");
    letters.into_iter().map(write).collect()
}

fn everything(code: &str) -> String {
    let language = language(Some(code)).expect("a language");
    let mut all = String::new();
    for template in Template::ALL {
        for letter in written(language, &Sample::at(march()), *template) {
            let Letter { subject, text, .. } = letter;
            all.extend(["=== ", template.as_str(), "\nSubject: ", &subject, "\n\n", &text, "\n"]);
        }
    }
    all
}

#[test]
fn letters_in_english() {
    insta::assert_snapshot!(everything("en"));
}

#[test]
fn letters_in_german() {
    insta::assert_snapshot!(everything("de"));
}

#[test]
fn a_letter_in_html() {
    let german = language(Some("de")).expect("German");
    let letters = written(german, &Sample::at(march()), Template::OrderFulfilled);
    insta::assert_snapshot!(letters[0].html);
}

#[test]
fn every_message_is_used_and_nothing_is_left_unfilled() {
    let english = language(None).expect("English");
    let sources = [
        include_str!("../account_letters.rs"),
        include_str!("../order_letters.rs"),
        include_str!("../privacy_letters.rs"),
        include_str!("../license_letters.rs"),
        include_str!("../credential_letters.rs"),
        include_str!("../source_letters.rs"),
        include_str!("../ticket_letters.rs"),
        include_str!("../letter.rs"),
    ]
    .concat();
    let named: BTreeSet<&str> = sources.split('"').filter(|text| english.has(text)).collect();
    for key in english.placeholders().keys() {
        let asked = ["unsubscribe.license_reminders", "unsubscribe.product_updates"].contains(key);
        assert!(asked || named.contains(key), "nobody says {key}");
    }
    for language in languages() {
        for template in Template::ALL {
            for letter in written(language, &Sample::at(march()), *template) {
                for text in [&letter.subject, &letter.text, &letter.html] {
                    assert!(!text.trim().is_empty() && !text.contains('{'), "{}: {template}: {text}", language.code());
                }
                assert!(letter.html.contains(&format!("<html lang=\"{}\"", language.code())));
            }
        }
    }
}

/// What somebody may call themselves, or a product, or write.
const HOSTILE: &[&str] = &[
    "</p><script>alert(1)</script><p>",
    "\"><img src=x onerror=alert(1)>",
    "Ada\r\nBcc: eve@example.com\r\n\r\n<b>lies</b>",
    "{shop} {{ shop }} {% endfor %} {name}",
    "NUL\0and bell\u{7}",
    "\u{202e}gnp.exe\u{202c}\u{2066}",
    "משתמש של אבא",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "",
    "   ",
];

#[test]
fn whatever_people_call_themselves_stays_in_its_place() {
    let long = "x<".repeat(200_000);
    for hostile in HOSTILE.iter().copied().chain([long.as_str()]) {
        let sample =
            Sample { name: hostile.to_owned(), title: hostile.to_owned(), body: hostile.to_owned(), at: march() };
        for language in languages() {
            for template in Template::ALL {
                for letter in written(language, &sample, *template) {
                    let place = format!("{template} with {:?}", &hostile.chars().take(30).collect::<String>());
                    assert!(!letter.subject.chars().any(char::is_control), "{place}: {:?}", letter.subject);
                    assert!(letter.subject.chars().count() <= 210, "{place}");
                    assert!(letter.text.len() + letter.html.len() < 400_000, "{place}: {}", letter.html.len());
                    for tag in ["<script", "<img", "<b>", "href=\"javascript"] {
                        assert!(!letter.html.contains(tag), "{place}: {tag}");
                    }
                    for text in [&letter.text, &letter.html, &letter.subject] {
                        assert!(!text.contains(['\0', '\u{7}', '\u{202e}', '\u{2066}', '\r']), "{place}: {text}");
                        let (opened, closed) = (text.matches('\u{2068}').count(), text.matches('\u{2069}').count());
                        assert!(opened == closed || text == &letter.subject, "{place}: {text}");
                    }
                    assert!(!letter.text.contains("\nBcc:"), "{place}: {}", letter.text);
                }
            }
        }
    }
}
