//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod bad_input;
mod catalog_browse;
mod catalog_edit;
mod catalog_quote;
mod catalog_shop;
mod catalog_transfer;
mod child;
mod cli_audit;
mod cli_install;
mod cli_jobs;
mod cron;
mod db_conformance;
mod journey_killed;
mod journey_order;
mod journey_postgres;
mod journey_probes;
mod journey_refusals;
mod journey_shop;
mod journey_shutdown;
mod journey_switches;
mod layering;
mod postgres_faults;
mod queue_conformance;
mod queue_scene;
mod queue_sink;
mod queue_survival;
mod sqlite_faults;
mod support_works;
