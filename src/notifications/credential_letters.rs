//! What operators and vendors are told of credentials of outside APIs.

use askama::Template;

use super::letter::{Letter, Letterhead, Unwritable, Write, letter};

/// A vendor's hook failed for the last time.
#[derive(Debug)]
pub struct CredentialStuckLetter {
    /// The product's title.
    pub product: String,
    /// The licence's id.
    pub license: String,
    /// The credential's id.
    pub credential: String,
    /// Where the credential stands.
    pub state: String,
    /// What went wrong last.
    pub problem: String,
}

#[derive(Template)]
#[template(path = "notifications/templates/credential_stuck.txt")]
struct CredentialStuck<'a> {
    shop: &'a str,
    about: &'a CredentialStuckLetter,
}

impl Write for CredentialStuckLetter {
    fn write(&self, head: &Letterhead, to: &str) -> Result<Letter, Unwritable> {
        let text = CredentialStuck { shop: &head.shop, about: self };
        letter(to, format!("The hook of {} does not answer as it should", self.product), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_says_which_credential_and_why() {
        let head = Letterhead { shop: "Acme".to_owned(), url: "https://acme.example".to_owned() };
        let letter = CredentialStuckLetter {
            product: "Maps".to_owned(),
            license: "lic_1".to_owned(),
            credential: "crd_1".to_owned(),
            state: "provisioning".to_owned(),
            problem: "it answers with the status 503".to_owned(),
        };
        let letter = letter.write(&head, "ada@example.com").expect("written");
        for part in ["Maps", "lic_1", "crd_1", "provisioning", "503", "Acme"] {
            assert!(letter.text.contains(part), "{part}: {}", letter.text);
        }
    }
}
