//! The JSON API.

pub mod orders;
