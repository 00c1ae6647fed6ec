//! The double-entry ledger: where every cent came from and where it went.
//!
//! Promise: the entries of every transaction sum to zero in each currency, nothing is booked twice (each transaction
//! names its cause, which is unique), and nothing is ever changed: a mistake is reversed. A balance is a sum over
//! entries, never a row that everybody updates. Debits are positive, credits negative.

mod account;
mod post;
mod report;
mod sale;

pub use account::Account;
pub use post::{LedgerEntry, LedgerTransactionId, Posting, Unbalanced};
pub use report::{
    Balance, BookedTransaction, EntryFilter, EntryRow, LedgerEntryId, LedgerEntryMarker, ListedEntry,
    TransactionFilter, TransactionRow, TrialRow, balances, count, entries, entries_of_order, payable, transaction,
    transactions, trial_balance, verify,
};
pub use sale::{Sale, SaleLine};
