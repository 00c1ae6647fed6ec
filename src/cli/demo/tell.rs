//! What the demonstration prints: numbered steps, and below each what was done, what came of it, and how long it took.

use std::{
    fmt::Display,
    io::{self, Write as _},
    time::Instant,
};

/// How wide the columns are: what is done, and what came of it.
const DONE: usize = 27;
const CAME: usize = 64;

/// Somebody who tells what happens.
pub(super) struct Teller {
    step: usize,
    since: Instant,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { step: 0, since: Instant::now() }
    }

    /// The next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        line(&format!("\n{}. {title}", self.step));
        self.begin();
    }

    /// From now on time is taken.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// What was done and what came of it, with the time since what was told before.
    pub(super) fn timed(&mut self, done: &str, came: impl Display) {
        let came = came.to_string();
        line(&format!("   {done:<DONE$} {came:<CAME$} {:>7.1} ms", self.since.elapsed().as_secs_f64() * 1_000.0));
        self.begin();
    }

    /// The same without the time.
    pub(super) fn plain(&mut self, done: &str, came: impl Display) {
        line(format!("   {done:<DONE$} {came}").trim_end());
        self.begin();
    }
}

/// A line on the standard output. Whoever listens no more does not stop the walk.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
