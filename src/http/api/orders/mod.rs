//! Orders, subscriptions, and their management.

mod admin;
mod create;
mod routes;
mod show;
mod subscriptions;
mod view;

pub use routes::routes;
