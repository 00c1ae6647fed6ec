//! How the installation runs, for operators: actors, jobs, queues, schedules, flags and kill switches, the trail, the
//! books, usage, and whether all is well.

mod actors;
mod audit;
mod checks;
mod flags;
mod jobs;
mod ledger;
mod queues;
mod routes;
mod schedules;
mod switches;
mod system;
mod usage;

use crate::{
    audit::Entry,
    http::{Admin, Context},
    kernel::Page,
};

pub use routes::routes;

/// All of a list that is short.
fn whole<T>(data: Vec<T>) -> Page<T> {
    Page { data, has_more: false, next_cursor: None }
}

/// An entry of what an operator does, and why.
fn did(who: (&Admin, &Context), action: &'static str, thing: (&'static str, &str), why: &str) -> Entry {
    let (admin, context) = who;
    Entry::new(admin.actor(), action, thing.0, thing.1).reason(why).request(context.request_id().to_owned())
}
