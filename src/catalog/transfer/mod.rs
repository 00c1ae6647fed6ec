//! The catalogue as a file: JSON, or one table of CSV, out and in. What is exported and imported into an empty shop and
//! exported again is the same file.
//!
//! What other rooms keep of plans and products goes with it ([`Beside`]): endpoints and hooks, without their secrets.
//!
//! A file says nothing of identifiers, revisions, accounts, uses, downloads or ratings. Things are found by their slug, or
//! code, and made or changed; what the file does not name stays as it is. All of a file is imported, or nothing.

mod beside;
mod export;
mod import;
mod record;
mod table;

pub use beside::{Alone, Beside, Kept};
pub use export::{ExportError, Format, export, export_with};
pub use import::{Counts, ImportError, ImportMode, Imported, import, import_with};

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
