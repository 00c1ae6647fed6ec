//! What the running process tells about itself: log lines and metrics.
//!
//! Promise: installing twice is harmless, a wrong setting is one clear line, and a metric that is declared in
//! [`known`] has a unit, a description and buckets that fit, whichever room emits it.

pub mod known;
mod logs;
mod process;
mod recorder;

pub use logs::{LogError, init};
pub use recorder::{Metrics, MetricsError};
