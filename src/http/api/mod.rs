//! The JSON API, a folder for each slice.

pub mod accounts;
pub mod catalog;
pub mod credentials;
pub mod downloads;
pub mod invoices;
pub mod keys;
pub mod licenses;
pub mod notifications;
pub mod operations;
pub mod orders;
pub mod privacy;
pub mod support;
pub mod webhooks;
