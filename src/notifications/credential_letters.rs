//! What operators and vendors are told of credentials of outside APIs.

use super::{
    Template, Word,
    letter::{Sheet, Write},
};

/// A vendor's hook failed for the last time.
#[derive(Debug, Clone)]
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

impl Write for CredentialStuckLetter {
    fn template(&self) -> Template {
        Template::CredentialStuck
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let product = ("product", Word::Text(&self.product));
        sheet.subject("credential_stuck.subject", &[product]);
        sheet.say("credential_stuck.told", &[product, ("shop", Word::Text(&head.shop))]);
        sheet.plain(&self.problem);
        let credential = ("credential", Word::Text(&self.credential));
        let words = [credential, ("state", Word::Text(&self.state)), ("license", Word::Text(&self.license))];
        sheet.say("credential_stuck.which", &words);
        sheet.say("credential_stuck.next", &[credential]);
    }
}
