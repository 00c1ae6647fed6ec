//! Orders, subscriptions, and their management.

mod admin;
mod create;
mod money;
mod routes;
mod show;
mod subscriptions;
mod subscriptions_admin;
mod view;

pub use routes::routes;
