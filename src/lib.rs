//! Mintreu: a self-hosted platform that sells digital products.
//!
//! Four sentences hold the house: [`http`] is how work is asked for, [`jobs`] is how work waits, [`actors`] are who does
//! it, and the slices ([`orders`], [`payments`], [`licenses`], [`usage`] …) say what it means. Everything else is
//! plumbing under them. Imports point one way:
//!
//! ```text
//! kernel ← db ← jobs ← slices, flags, audit ← app ← {actors, http} ← cli ← main
//! ```

pub mod accounts;
pub mod actors;
pub mod api_keys;
pub mod app;
pub mod audit;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod db;
pub mod downloads;
pub mod flags;
pub mod http;
pub mod idempotency;
pub mod invoices;
pub mod jobs;
pub mod kernel;
pub mod licenses;
pub mod notifications;
pub mod orders;
pub mod payments;
pub mod privacy;
pub mod storage;
pub mod support;
pub mod telemetry;
pub mod usage;
