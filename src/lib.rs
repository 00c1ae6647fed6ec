//! Mintreu: a self-hosted platform that sells digital products.

pub mod config;
pub mod jobs;
pub mod kernel;
