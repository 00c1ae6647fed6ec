//! Prints figures beside their limits.

use std::time::Duration;

/// Figures of one database.
pub(crate) struct Report<'a> {
    scene: &'static str,
    wanted: &'a [String],
}

impl<'a> Report<'a> {
    pub(crate) fn new(scene: &'static str, wanted: &'a [String]) -> Self {
        println!("\n== {scene} ==");
        Self { scene, wanted }
    }

    /// Whether a figure is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty()
            || self.wanted.iter().any(|wanted| name.contains(wanted.as_str()) || self.scene == wanted)
    }

    /// A rate and the limit, each the median of several rounds taken in turn.
    pub(crate) fn rate(name: &str, ours: &mut [f64], limit: &mut [f64], goal: &str) {
        let (ours, limit) = (median(ours), median(limit));
        let (ratio, digits) = (ours / limit, if ours < limit / 10.0 { 3 } else { 2 });
        println!("{name:<46} {ours:>10.0}/s   limit {limit:>10.0}/s   ratio {ratio:>5.digits$}   goal {goal}");
    }

    /// A rate without a limit of its own.
    pub(crate) fn plain_rate(name: &str, ours: &mut [f64], goal: &str) {
        println!("{name:<46} {:>10.0}/s   goal {goal}", median(ours));
    }

    /// A distribution of times.
    pub(crate) fn times(name: &str, times: &mut [Duration], goal: &str) {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("{name:<46} p50 {:>10.1?}   p99 {:>10.1?}   goal {goal}", at(0.5), at(0.99));
    }
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
