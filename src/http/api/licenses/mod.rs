//! Licences: validation, activation, and their owners' and operators' views.

mod activations;
mod admin;
mod bounds;
mod calls;
mod fields;
mod gumroad;
mod lemon;
mod lemon_answers;
mod owned;
mod public;
mod refusals;
mod routes;

pub use routes::routes;
