//! The engine's speed, each figure beside the limit that it is measured against, in one run.
//!
//! `cargo bench --bench engine [-- NAME …]`; PostgreSQL figures need `MINTREU_BENCH_POSTGRES=postgres://…/postgres`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

mod commits;
mod jobs;
mod memory;
mod report;
mod scene;
mod startup;

use report::Report;
use scene::Scene;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let process = Report::new("process", &wanted);
        memory::run(&process).await;
        startup::run(&process).await;
        for scene in Scene::all() {
            let report = Report::new(scene.name(), &wanted);
            commits::run(&scene, &report).await;
            jobs::run(&scene, &report).await;
        }
    });
}
