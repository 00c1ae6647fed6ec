//! The shop's speed over HTTP, each figure beside the limit that it is measured against, in one run.
//!
//! `cargo bench --bench shop [-- NAME …]`; PostgreSQL figures need `MINTREU_BENCH_POSTGRES=postgres://…/postgres`.
//! The server is the real program in a process of its own; so are the limits.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

mod download;
mod golden;
mod http;
mod ingest;
mod limits;
mod mails;
mod nginx;
mod orders;
mod redirect;
#[path = "../engine/report.rs"]
mod report;
mod scene;
mod shop;
mod stock;
mod validate;
mod visible;

use std::{sync::LazyLock, time::Duration};

use report::Report;
use scene::Scene;

/// How long a rate is measured: three seconds, or as many milliseconds as `MINTREU_BENCH_ROUND` says, to try a figure out.
static ROUND: LazyLock<Duration> = LazyLock::new(|| {
    let told = std::env::var("MINTREU_BENCH_ROUND").ok();
    Duration::from_millis(told.map_or(3_000, |told| told.parse().expect("MINTREU_BENCH_ROUND is in milliseconds")))
});
/// How many rounds, ours and the limit in turn.
const ROUNDS: usize = 3;
/// Clients at once.
const CLIENTS: usize = 32;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if arguments.first().is_some_and(|first| first == "--limit") {
            return limits::serve(&arguments[1..]).await;
        }
        for scene in Scene::all() {
            let report = Report::new(scene.name(), &arguments);
            ingest::run(&scene, &report).await;
            orders::run(&scene, &report).await;
            visible::run(&scene, &report).await;
            validate::run(&scene, &report).await;
            stock::run(&scene, &report).await;
            golden::run(&scene, &report).await;
            download::run(&scene, &report).await;
            redirect::run(&scene, &report).await;
            mails::run(&report);
        }
    });
}
