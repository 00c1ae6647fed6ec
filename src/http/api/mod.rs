//! The JSON API, a folder for each slice.

pub mod accounts;
pub mod catalog;
pub mod downloads;
pub mod invoices;
pub mod licenses;
pub mod orders;
pub mod support;
pub mod webhooks;
