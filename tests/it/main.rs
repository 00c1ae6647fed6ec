//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod layering;
mod support_works;
