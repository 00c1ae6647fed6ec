//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod journey_killed;
mod journey_order;
mod journey_refusals;
mod journey_shop;
mod journey_switches;
mod layering;
mod support_works;
