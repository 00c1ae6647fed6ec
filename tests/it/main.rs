//! The integration tests, in one binary so that everything links once: a module for each journey.

#[macro_use]
mod support;

mod db_conformance;
mod layering;
mod queue_conformance;
mod queue_scene;
mod sqlite_faults;
mod support_works;
