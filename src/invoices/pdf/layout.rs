//! Where everything stands on a paper.

use super::sheet::{BOLD, LEFT, Look, PLAIN, RIGHT, SMALL, Sheets, TITLE};
use crate::invoices::{Document, words::Row};

/// Where the columns of figures end.
const QUANTITY: f32 = 300.0;
const UNIT: f32 = 370.0;
const DISCOUNT: f32 = 432.0;
const PERCENT: f32 = 476.0;
/// How wide descriptions are.
const DESCRIPTION: f32 = QUANTITY - 40.0 - LEFT;
/// Where the sums begin.
const SUMS: f32 = 300.0;

const UNSHOWN: &str = "Some characters cannot be shown in this file's typeface and stand as \u{fffd}; the invoice's page in \
    HTML shows them.";

pub(super) fn lay_out(document: &Document, sheets: &mut Sheets<'_>) {
    sheets.foot = format!("{} {}", document.title(), document.number);
    head(document, sheets);
    parties(document, sheets);
    table(document, sheets);
    sums(document, sheets);
    sheets.y += 14.0;
    for remark in document.remarks() {
        sheets.paragraph(&remark, PLAIN);
    }
    sheets.y += 10.0;
    for note in &document.notes {
        sheets.paragraph(note, SMALL);
    }
    let origin = format!("Order {}, payment {}. All days are UTC.", document.order, document.payment);
    sheets.paragraph(&origin, SMALL);
    if sheets.lacks {
        sheets.paragraph(UNSHOWN, SMALL);
    }
}

fn head(document: &Document, sheets: &mut Sheets<'_>) {
    sheets.y += 14.0;
    let y = sheets.y;
    sheets.put(LEFT, y, TITLE, document.title());
    sheets.put_right(RIGHT, y, BOLD, &document.number);
    let paid = if document.corrects.is_some() { "Refunded" } else { "Paid" };
    sheets.put_right(RIGHT, y + 13.0, PLAIN, &format!("Issued on {}", document.issued_on));
    sheets.put_right(RIGHT, y + 26.0, PLAIN, &format!("{paid} on {}", document.supplied_on));
    if let Some(corrected) = &document.corrects {
        let text = format!("Corrects invoice {} of {}", corrected.number, corrected.issued_on);
        sheets.put(LEFT, y + 16.0, PLAIN, &text);
    }
    sheets.y += 50.0;
}

/// Both side by side. What is said of them is bounded, so that they fit on the first sheet.
fn parties(document: &Document, sheets: &mut Sheets<'_>) {
    let middle = f32::midpoint(LEFT, RIGHT) + 10.0;
    let top = sheets.y;
    let mut lowest = top;
    for (x, label, lines) in [(LEFT, "FROM", document.from()), (middle, "TO", document.to())] {
        let mut y = top;
        sheets.put(x, y, SMALL, label);
        for (index, text) in lines.iter().enumerate() {
            let look = if index == 0 { BOLD } else { PLAIN };
            for line in sheets.lines(text, look, middle - LEFT - 20.0) {
                y += look.leading();
                sheets.put(x, y, look, &line);
            }
        }
        lowest = lowest.max(y);
    }
    sheets.y = lowest + 28.0;
}

fn table(document: &Document, sheets: &mut Sheets<'_>) {
    headings(document, sheets);
    for row in document.rows() {
        let description = sheets.lines(&row.description, PLAIN, DESCRIPTION);
        let detail = if row.detail.is_empty() { Vec::new() } else { sheets.lines(&row.detail, SMALL, DESCRIPTION) };
        // Lines of text are few enough to be counted in floating point.
        let height: f32 = description.iter().map(|_| PLAIN.leading()).sum::<f32>()
            + detail.iter().map(|_| SMALL.leading()).sum::<f32>();
        if !sheets.fits(height + 6.0) {
            sheets.turn();
            headings(document, sheets);
        }
        figures(&row, sheets);
        column(sheets, &description, PLAIN);
        column(sheets, &detail, SMALL);
        sheets.y += 5.0;
        sheets.rule(LEFT, 0.4);
    }
}

fn column(sheets: &mut Sheets<'_>, lines: &[String], look: Look) {
    for line in lines {
        sheets.y += look.leading();
        let y = sheets.y;
        sheets.put(LEFT, y, look, line);
    }
}

/// The figures of a row, on the line that its description begins with.
fn figures(row: &Row, sheets: &mut Sheets<'_>) {
    let y = sheets.y + PLAIN.leading();
    for (x, text) in [
        (QUANTITY, &row.quantity),
        (UNIT, &row.unit),
        (DISCOUNT, &row.discount),
        (PERCENT, &row.percent),
        (RIGHT, &row.total),
    ] {
        sheets.put_right(x, y, PLAIN, text);
    }
}

fn headings(document: &Document, sheets: &mut Sheets<'_>) {
    let amount = format!("Amount, {}", document.currency);
    sheets.y += SMALL.leading();
    let y = sheets.y;
    sheets.put(LEFT, y, SMALL, "Description");
    let headings = [
        (QUANTITY, "Quantity"),
        (UNIT, document.unit_heading()),
        (DISCOUNT, "Discount"),
        (PERCENT, "Tax"),
        (RIGHT, &amount),
    ];
    for (x, text) in headings {
        sheets.put_right(x, y, SMALL, text);
    }
    sheets.y += 4.0;
    sheets.rule(LEFT, 0.8);
}

/// Kept together on a sheet.
fn sums(document: &Document, sheets: &mut Sheets<'_>) {
    let sums = document.sums();
    let height: f32 = sums.iter().map(|_| PLAIN.leading() + 2.0).sum::<f32>() + 36.0;
    if !sheets.fits(height) {
        sheets.turn();
    }
    sheets.y += 8.0;
    for (label, figure) in sums {
        sheets.y += PLAIN.leading() + 2.0;
        let y = sheets.y;
        let label = sheets.lines(&label, PLAIN, RIGHT - SUMS - 90.0).join(" ");
        sheets.put(SUMS, y, PLAIN, &label);
        sheets.put_right(RIGHT, y, PLAIN, &figure);
    }
    sheets.y += 6.0;
    sheets.rule(SUMS, 0.8);
    sheets.y += BOLD.leading() + 2.0;
    let y = sheets.y;
    sheets.put(SUMS, y, BOLD, &format!("Total, {}", document.currency));
    sheets.put_right(RIGHT, y, BOLD, &document.sum());
}
