//! The API's description: `OpenAPI` 3.1, generated from the routes as they are registered.
//!
//! Promise: what an operation takes is told by its arguments, and what it gives by the type that it answers with, so
//! that the document cannot say otherwise than the code does. A route adds what types do not know: its name, a line for
//! people, who may use it, and how it may be refused ([`Tell`]).
//!
//! Rooms register routes with `api_route`; those with `route` are pages, which are not part of the API.

mod document;
mod inputs;
mod operation;
mod outputs;
mod pages;
mod problems;
mod schemas;

pub(super) use document::finish;
pub(super) use inputs::takes;
pub(super) use operation::{Tell, TellEach, audience, may, signed_in};
pub(super) use outputs::gives;
pub(super) use pages::pages;
pub(super) use schemas::{given, taken};
