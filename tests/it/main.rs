//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod accounts_access_tokens;
mod accounts_admin;
mod accounts_claim;
mod accounts_cli;
mod accounts_input;
mod accounts_login;
mod accounts_mail;
mod accounts_register;
mod accounts_rules;
mod accounts_scene;
mod accounts_second_factor;
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
mod licenses_cache;
mod licenses_compatible;
mod licenses_http;
mod licenses_life;
mod licenses_places;
mod orders_refund;
mod orders_settle;
mod orders_subscriptions;
mod postgres_faults;
mod queue_conformance;
mod queue_scene;
mod queue_sink;
mod queue_survival;
mod sqlite_faults;
mod support_works;
