//! Log lines: for people on a terminal, one JSON object per line for machines.

use std::{
    io::{self, IsTerminal},
    panic,
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error(
        "telemetry.log_filter: `{filter}` is no filter ({reason}); write a level and exceptions, such as \
         `info,mintreu::jobs=debug`"
    )]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another library installed its own subscriber before.
    #[error("logging is set up already, by something else in this process")]
    Taken,
}

/// Whether this module installed the subscriber.
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// Sends log lines that pass `filter` to standard error, and panics too.
///
/// Standard output stays free for what a command prints. The filter has the syntax of `RUST_LOG`. A second call checks
/// its arguments and changes nothing.
pub fn init(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let parsed = parse_filter(filter)?;
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let lines = fmt().with_env_filter(parsed).with_writer(io::stderr);
    let done = if human {
        lines.with_ansi(terminal).finish().try_init()
    } else {
        lines.json().flatten_event(true).with_span_list(false).finish().try_init()
    };
    done.map_err(|_| LogError::Taken)?;
    panic::set_hook(Box::new(log_panic));
    *installed = true;
    Ok(())
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let refused = |reason: String| LogError::Filter { filter: filter.to_owned(), reason };
    if filter.trim().is_empty() {
        // An empty filter would hide everything but errors, silently.
        return Err(refused("it is empty".to_owned()));
    }
    EnvFilter::builder().parse(filter).map_err(|error| refused(error.to_string()))
}

/// A panic is a log line like any other, inside the span that it broke, so that it carries the request's id.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(target: "mintreu::panic", location, thread = thread.name().unwrap_or_default(), "panic: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_told_with_its_key_and_the_mend() {
        for filter in ["info,mintreu=loud", "mintreu[", "", "  "] {
            let error = init(filter, LogFormat::Json).expect_err("must be refused").to_string();
            assert!(error.starts_with(&format!("telemetry.log_filter: `{filter}` is no filter (")), "{error}");
            assert!(error.contains("info,mintreu::jobs=debug"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn good_filters_parse() {
        for filter in ["info", "warn,mintreu::jobs=debug", "mintreu[request]=trace", "off"] {
            assert!(parse_filter(filter).is_ok(), "{filter}");
        }
    }
}
