//! Mintreu: a self-hosted platform that sells digital products.

pub mod actors;
pub mod config;
pub mod db;
pub mod http;
pub mod jobs;
pub mod kernel;
pub mod telemetry;
pub mod usage;
