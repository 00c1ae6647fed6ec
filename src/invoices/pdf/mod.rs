//! Papers as PDF: A4, real Unicode text with the typeface embedded (a subset of it), and the same bytes each time.
//!
//! The typeface (`DejaVu` Sans) has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic and most signs, but no East
//! Asian or Indian scripts and no emoji. What it lacks is shown as U+FFFD, and the paper says so and names the page in HTML,
//! which shows everything.

mod layout;
mod sheet;
mod typeface;

use krilla::{
    Document as Pdf, SerializeSettings,
    metadata::{DateTime, Metadata},
};

use super::Document;
use sheet::Sheets;

/// Why no PDF was made: a defect.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The typeface that is built in cannot be read.
    #[error("the typeface cannot be read")]
    Typeface,
    /// The library did not finish it.
    #[error("the PDF could not be finished: {0}")]
    Unfinished(String),
}

/// A paper as PDF. Takes some milliseconds of work: call it where that blocks nobody.
pub fn pdf(document: &Document) -> Result<Vec<u8>, PdfError> {
    let faces = typeface::Faces::load().ok_or(PdfError::Typeface)?;
    let mut sheets = Sheets::new(&faces);
    layout::lay_out(document, &mut sheets);
    let mut pdf = Pdf::new_with(SerializeSettings::default());
    pdf.set_metadata(metadata(document));
    sheets.draw(&mut pdf);
    pdf.finish().map_err(|error| PdfError::Unfinished(format!("{error:?}")))
}

/// Nothing in it depends on when or where it is made.
fn metadata(document: &Document) -> Metadata {
    let mut parts = document.issued_on.split('-').map(str::parse::<u16>);
    let mut part = || parts.next().and_then(Result::ok).unwrap_or(1);
    let small = |number: u16| u8::try_from(number).unwrap_or(1);
    let date = DateTime::new(part()).month(small(part())).day(small(part())).hour(0).minute(0).second(0);
    Metadata::new()
        .title(format!("{} {}", document.title(), document.number))
        .language("en".to_owned())
        .document_id(document.number.clone())
        .creation_date(date.utc_offset_hour(0).utc_offset_minute(0))
}

#[cfg(test)]
mod tests;
