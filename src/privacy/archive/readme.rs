//! What tells people what is in their archive.

use std::fmt::Write;

use super::super::catalogue::tables;
use crate::kernel::Time;

/// The text of `README.txt`.
pub(super) fn text(email: &str, now: Time) -> String {
    let mut text = format!(
        "Your data\n=========\n\n\
         This archive holds what is kept about the owner of the account {email}, as of {now}.\n\
         Each .json file is a list (RFC 8259, UTF-8): programs can read it, and any text editor can too. Times are UTC.\n\
         Passwords, tokens, keys and other secrets are not in it, nor are hashes of them.\n\n"
    );
    for file in tables().filter_map(|table| table.file) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}.json\n    {}.", file.name, file.title);
    }
    text.push_str(
        "invoices/\n    Your invoices and credit notes as PDF.\nattachments/\n    The files on your tickets.\n",
    );
    text
}
