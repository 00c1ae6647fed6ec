//! Papers as pages: no scripts, nothing from elsewhere, made to be printed.

use std::sync::LazyLock;

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Document, document::hash, words::Row};
use crate::kernel::seal;

const STYLE: &str = include_str!("templates/invoice.css");

/// The policy that the page is shown under: its own style, known by its hash, and nothing else.
pub static HTML_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(seal::from_hex(&hash(STYLE)).unwrap_or_default());
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Why a page was not made: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the page could not be made: {0}")]
pub struct RenderError(#[from] askama::Error);

#[derive(Template)]
#[template(path = "invoices/templates/invoice.html")]
struct Page<'a> {
    document: &'a Document,
    style: &'static str,
    from: Vec<String>,
    to: Vec<String>,
    unit_heading: &'static str,
    lines: Vec<Row>,
    sums: Vec<(String, String)>,
    total: String,
    remarks: Vec<String>,
}

/// A paper as a page; show it under [`HTML_POLICY`].
pub fn html(document: &Document) -> Result<String, RenderError> {
    let page = Page {
        document,
        style: STYLE,
        from: document.from(),
        to: document.to(),
        unit_heading: document.unit_heading(),
        lines: document.rows(),
        sums: document.sums(),
        total: document.sum(),
        remarks: document.remarks(),
    };
    Ok(page.render()?)
}
