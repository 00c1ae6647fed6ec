//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod bad_input;
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
mod orders_refund;
mod orders_settle;
mod orders_subscriptions;
mod payments_events;
mod payments_inbox;
mod payments_paypal;
mod payments_sandbox;
mod payments_scene;
mod payments_stripe;
mod payments_webhooks;
mod postgres_faults;
mod queue_conformance;
mod queue_scene;
mod queue_sink;
mod queue_survival;
mod sqlite_faults;
mod support_works;
