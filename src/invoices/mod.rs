//! Invoices and credit notes: the papers of what was paid and of what went back.
//!
//! Promise: every settled payment gets one invoice and everything that goes back one credit note, whatever is killed when;
//! the numbers of a series have no gaps and no doubles; and a paper is never changed: what it says was true when it was
//! issued, is kept with a hash, and is rendered from that alone, so that a paper's bytes are the same each time.
//!
//! Settling leaves a row of what is due in its own transaction ([`crate::orders`]); the [`Desk`] takes many such rows at once,
//! numbers them, and deletes them, in one transaction. So nothing about numbers slows a payment down, and payments do not
//! queue for the counter.

mod credit;
mod desk;
mod document;
mod export;
mod html;
mod issue;
mod list;
mod pdf;
mod prove;
mod words;

pub use crate::kernel::InvoiceId;
pub use desk::{Desk, DeskOptions, Issued};
pub use document::{Buyer, Document, Kind, Line, Seller, TaxSum};
pub use export::Booked;
pub use html::{HTML_POLICY, RenderError, html};
pub use issue::InvoiceIssued;
pub use list::{AnyInvoices, Invoice, InvoiceRow, Whose, find, list, list_any, of_order};
pub use pdf::{PdfError, pdf};
pub use prove::{Finding, any, prove, waiting};
