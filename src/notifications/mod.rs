//! Notifications: what people are told by mail.
//!
//! A slice that has something to tell enqueues a [`Notice`] in its transaction. Who it goes to and what it says is
//! gathered when it is written, so a notice holds identifiers only: no key, no token, no address.

mod notice;

pub use notice::Notice;
