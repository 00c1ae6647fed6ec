//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod child;
mod cron;
mod db_conformance;
mod layering;
mod postgres_faults;
mod queue_conformance;
mod queue_scene;
mod queue_survival;
mod sqlite_faults;
mod support_works;
