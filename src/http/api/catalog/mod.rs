//! The catalogue: browsing, and its management.

mod browsing;
mod categories;
mod coupons;
mod developers;
mod managed;
mod plans;
mod products;
mod refusals;
mod routes;
mod tax_rates;
mod transfer;

pub use routes::routes;

use crate::{
    catalog::By,
    http::{Admin, Context, Kind, Problem},
};

/// Who edits, and by which request.
fn by(admin: &Admin, context: &Context) -> By {
    By { actor: admin.actor(), request_id: Some(context.request_id().to_owned()) }
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such thing in the catalogue")
}
