//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod bad_input;
mod cli_audit;
mod cli_install;
mod cli_jobs;
mod journey_killed;
mod journey_order;
mod journey_postgres;
mod journey_probes;
mod journey_refusals;
mod journey_shop;
mod journey_shutdown;
mod journey_switches;
mod layering;
mod support_works;
