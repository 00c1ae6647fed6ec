//! The catalogue as a file: JSON, or one table of CSV, out and in. What is exported and imported into an empty shop and
//! exported again is the same file.
//!
//! A file says nothing of identifiers, revisions, accounts, uses, downloads or ratings. Things are found by their slug, or
//! code, and made or changed; what the file does not name stays as it is. All of a file is imported, or nothing.

mod export;
mod import;
mod record;
mod table;

pub use export::{ExportError, Format, export};
pub use import::{Counts, ImportError, ImportMode, Imported, import};

use crate::text_enum;

text_enum! {
    /// What a record of a file is of.
    pub enum Kind {
        /// Who sells.
        Developer = "developer",
        /// Where products stand.
        Category = "category",
        /// What is sold.
        Product = "product",
        /// How it is sold.
        Plan = "plan",
        /// What takes something off.
        Coupon = "coupon",
    }
}
