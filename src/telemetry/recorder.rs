//! The Prometheus recorder behind the `metrics` macros.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::{
    known::{self, Kind},
    process,
};

/// Why metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Another library installed its own recorder before, or the buckets are wrong.
    #[error("metrics cannot be recorded: {0}")]
    Install(#[from] BuildError),
}

/// The metrics of this process; clones share them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The one recorder of this process.
static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// From 50 µs to 10 s: a commit on a fast disk is near the lower end, a provider's call near the upper.
const SECONDS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Sizes of groups and batches.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// From 256 B to 16 MiB.
const BYTES: [f64; 9] =
    [256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

const UPKEEP: Duration = Duration::from_secs(5);

impl Metrics {
    /// Records what the process emits from now on. A second call answers with the first one's recorder.
    pub fn install() -> Result<Self, MetricsError> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*installed {
            return Ok(metrics.clone());
        }
        let metrics = Self(builder()?.install_recorder()?);
        describe();
        metrics::gauge!(
            "mintreu_build_info",
            "version" => env!("CARGO_PKG_VERSION"),
            "os" => std::env::consts::OS,
            "arch" => std::env::consts::ARCH,
        )
        .set(1.0);
        *installed = Some(metrics.clone());
        Ok(metrics)
    }

    /// A recorder that is not installed, for a test that counts what one thread emits.
    #[cfg(test)]
    pub(crate) fn detached() -> (impl metrics::Recorder, Self) {
        let recorder = builder().expect("the buckets are valid").build_recorder();
        let metrics = Self(recorder.handle());
        (recorder, metrics)
    }

    /// All metrics in the Prometheus exposition format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        process::render(&mut text);
        text
    }

    /// Moves samples into their buckets now and then. Never resolves; without it memory grows until the next scrape.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    // By suffix, and a fallback: a histogram that nobody told of here still has buckets, and never becomes a summary,
    // which cannot be added up over replicas.
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)
}

/// Describes the known metrics, and shows those that an alert waits for before they count anything.
fn describe() {
    // The one outcome with a label that an alert waits for.
    metrics::counter!("mintreu_db_transactions_total", "outcome" => "failed").increment(0);
    for metric in known::METRICS {
        if metric.from_zero {
            metrics::counter!(metric.name).increment(0);
        }
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recorder of its own, so that other tests' samples do not show.
    fn recorded(emit: impl FnOnce()) -> String {
        let recorder = builder().expect("buckets").build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            emit();
        });
        handle.render()
    }

    #[test]
    fn installing_twice_gives_the_same_recorder() {
        let first = Metrics::install().expect("first");
        let second = Metrics::install().expect("second");
        metrics::counter!("mintreu_test_installed_total").increment(7);
        assert!(first.render().contains("mintreu_test_installed_total 7"));
        assert!(second.render().contains("mintreu_test_installed_total 7"));
        assert!(first.render().contains("mintreu_build_info{"));
    }

    #[test]
    fn buckets_fit_the_unit_in_the_name() {
        let text = recorded(|| {
            metrics::histogram!("mintreu_db_commit_seconds").record(0.000_07);
            metrics::histogram!("mintreu_db_commit_group_size").record(300.0);
        });
        assert!(text.contains("mintreu_db_commit_seconds_bucket{le=\"0.00005\"} 0"), "{text}");
        assert!(text.contains("mintreu_db_commit_seconds_bucket{le=\"0.0001\"} 1"), "{text}");
        assert!(text.contains("mintreu_db_commit_group_size_bucket{le=\"256\"} 0"), "{text}");
        assert!(text.contains("mintreu_db_commit_group_size_bucket{le=\"512\"} 1"), "{text}");
    }

    #[test]
    fn a_histogram_that_is_not_listed_is_a_histogram_all_the_same() {
        let text = recorded(|| metrics::histogram!("mintreu_test_unlisted").record(1.0));
        assert!(text.contains("# TYPE mintreu_test_unlisted histogram"), "{text}");
    }

    #[test]
    fn listed_metrics_carry_their_help() {
        let text = recorded(|| metrics::counter!("mintreu_http_panics_total").increment(1));
        assert!(text.contains("# HELP mintreu_http_panics_total Handlers that panicked"), "{text}");
    }

    #[test]
    fn what_should_not_happen_is_shown_before_it_happens() {
        let text = recorded(|| ());
        assert!(text.contains("mintreu_audit_head_regressions_total 0"), "{text}");
        assert!(text.contains("mintreu_db_transactions_total{outcome=\"failed\"} 0"), "{text}");
    }

    #[tokio::test]
    async fn the_process_is_part_of_every_scrape() {
        let text = Metrics::install().expect("recorder").render();
        assert!(text.contains("mintreu_process_resident_memory_bytes "), "{text}");
    }
}
