//! What operators and vendors are told of products' files.

use askama::Template;

use super::letter::{Letter, Letterhead, Unwritable, Write, letter};

/// A product's file cannot be fetched.
#[derive(Debug)]
pub struct SourceBrokenLetter {
    /// The product's title.
    pub product: String,
    /// What the source is called.
    pub source: String,
    /// Why.
    pub problem: String,
}

#[derive(Template)]
#[template(path = "notifications/templates/source_broken.txt")]
struct SourceBroken<'a> {
    shop: &'a str,
    product: &'a str,
    source: &'a str,
    problem: &'a str,
}

impl Write for SourceBrokenLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text =
            SourceBroken { shop: &head.shop, product: &self.product, source: &self.source, problem: &self.problem };
        letter(to, format!("A file of {} cannot be downloaded", self.product), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_says_which_file_and_why() {
        let head = Letterhead { shop: "Acme".to_owned(), url: "https://acme.example".to_owned() };
        let letter = SourceBrokenLetter {
            product: "Lamp".to_owned(),
            source: "lamp.zip".to_owned(),
            problem: "there is no file at its address".to_owned(),
        };
        let letter = letter.write(&head, "ada@example.com").expect("written");
        for part in ["Lamp", "lamp.zip", "there is no file at its address", "Acme"] {
            assert!(letter.text.contains(part), "{part}: {}", letter.text);
        }
    }
}
