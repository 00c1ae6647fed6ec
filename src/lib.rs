//! Mintreu: a self-hosted platform that sells digital products.

pub mod actors;
pub mod audit;
pub mod config;
pub mod db;
pub mod jobs;
pub mod kernel;
pub mod licenses;
pub mod orders;
pub mod payments;
pub mod usage;
