//! Mintreu: a self-hosted platform that sells digital products.

pub mod audit;
pub mod db;
pub mod flags;
pub mod jobs;
pub mod kernel;
