//! What buyers, operators and vendors are told of products' files.

use super::{
    Template, Word,
    letter::{Sheet, Write},
};

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

impl Write for SourceBrokenLetter {
    fn template(&self) -> Template {
        Template::SourceBroken
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let head = sheet.head;
        let product = ("product", Word::Text(&self.product));
        sheet.subject("source_broken.subject", &[product]);
        let words = [product, ("shop", Word::Text(&head.shop)), ("source", Word::Text(&self.source))];
        sheet.say("source_broken.told", &words);
        sheet.plain(&self.problem);
        sheet.say("source_broken.next", &[]);
    }
}

/// A product has a new file.
#[derive(Debug)]
pub struct DownloadReadyLetter {
    /// What its buyer is called.
    pub name: Option<String>,
    /// The product's title.
    pub product: String,
    /// What the file is called.
    pub file: String,
    /// Which version it is; empty if nobody says.
    pub version: String,
}

impl Write for DownloadReadyLetter {
    fn template(&self) -> Template {
        Template::DownloadReady
    }

    fn write(&self, sheet: &mut Sheet<'_>) {
        let (product, file) = (("product", Word::Text(&self.product)), ("file", Word::Text(&self.file)));
        sheet.subject("download_ready.subject", &[product]);
        sheet.greet(self.name.as_deref());
        if self.version.trim().is_empty() {
            sheet.say("download_ready.told", &[product, file]);
        } else {
            sheet.say("download_ready.version", &[product, file, ("version", Word::Text(&self.version))]);
        }
        sheet.button("download_ready.open", "/downloads");
    }
}
