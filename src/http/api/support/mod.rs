//! Support: tickets of customers, the desks at which they are answered, articles, and mail that comes in.

mod answer;
mod articles;
mod attachments;
mod canned;
mod desk;
mod gate;
mod guests;
mod inbound;
mod mails;
mod refusals;
mod routes;
mod shelf;
mod tickets;
mod view;

pub use routes::routes;
