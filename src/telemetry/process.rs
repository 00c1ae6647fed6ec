//! What the operating system knows of this process, in the exposition format.
//!
//! Written as text at every scrape instead of through the recorder, whose counters are whole numbers: a processor's
//! second is too coarse a step. Where `/proc` is missing the answer is empty.

use std::{
    fmt::{self, Write},
    fs,
};

/// `USER_HZ`: fixed to 100 in what Linux shows to programs, on every architecture that Rust builds for.
const TICKS_PER_SECOND: f64 = 100.0;

/// One reading.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    cpu_seconds: Option<f64>,
    started: Option<f64>,
    resident_bytes: Option<u64>,
    open_fds: Option<usize>,
    max_fds: Option<u64>,
    threads: Option<u64>,
}

/// Appends the metrics of this process.
pub(super) fn render(out: &mut String) {
    // Writing into a string cannot fail.
    let _ = write(out, &read());
}

fn read() -> Reading {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut reading = parse(&text("/proc/self/stat"), &text("/proc/self/status"), &text("/proc/stat"));
    reading.open_fds = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    reading.max_fds = text("/proc/self/limits")
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    reading
}

/// See proc(5).
fn parse(stat: &str, status: &str, system: &str) -> Reading {
    // The second field is the program's name in brackets and may hold spaces and brackets itself.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    // Fields are counted from 1, and the first that is left here is the third.
    let seconds = |field: usize| fields.get(field - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_SECOND);
    let number = |name: &str| -> Option<u64> {
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    let booted = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    Reading {
        cpu_seconds: seconds(14).zip(seconds(15)).map(|(user, kernel)| user + kernel),
        started: seconds(22).zip(booted).map(|(after, booted)| booted + after),
        resident_bytes: number("VmRSS:").map(|kib| kib * 1024),
        threads: number("Threads:"),
        ..Reading::default()
    }
}

fn write(out: &mut String, reading: &Reading) -> fmt::Result {
    let mut metric = |name: &str, kind: &str, help: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"),
        None => Ok(()),
    };
    let text = |value: f64| format!("{value:.2}");
    metric(
        "mintreu_process_cpu_seconds_total",
        "counter",
        "Processor time of this process, in user and in system mode.",
        reading.cpu_seconds.map(text),
    )?;
    metric(
        "mintreu_process_start_time_seconds",
        "gauge",
        "When this process began, in seconds since 1970.",
        reading.started.map(text),
    )?;
    metric(
        "mintreu_process_resident_memory_bytes",
        "gauge",
        "Memory of this process that is in RAM.",
        reading.resident_bytes.map(|bytes| bytes.to_string()),
    )?;
    metric(
        "mintreu_process_open_fds",
        "gauge",
        "Open file descriptors.",
        reading.open_fds.map(|count| count.to_string()),
    )?;
    metric(
        "mintreu_process_max_fds",
        "gauge",
        "How many file descriptors may be open.",
        reading.max_fds.map(|count| count.to_string()),
    )?;
    metric("mintreu_process_threads", "gauge", "Threads.", reading.threads.map(|count| count.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_brackets_and_spaces_in_its_name_is_read_right() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 8 0 1000 1048576 256 184467";
        let reading = parse(stat, "VmRSS:\t  2048 kB\nThreads:\t8\n", "cpu 1 2 3\nbtime 1700000000\n");
        assert_eq!(reading.cpu_seconds, Some(2.0));
        assert_eq!(reading.started, Some(1_700_000_010.0));
        assert_eq!(reading.resident_bytes, Some(2 * 1024 * 1024));
        assert_eq!(reading.threads, Some(8));
    }

    #[test]
    fn without_proc_nothing_is_told() {
        let mut out = String::new();
        write(&mut out, &parse("", "", "")).expect("a string");
        assert_eq!(out, "");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let reading = read();
        assert!(reading.open_fds.is_some_and(|count| count >= 3), "{reading:?}");
        assert!(reading.max_fds.zip(reading.open_fds).is_some_and(|(max, open)| max >= open as u64), "{reading:?}");
        assert!(reading.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{reading:?}");
        // After 2020, so the clock tick and the boot time are understood.
        assert!(reading.started.is_some_and(|at| at > 1_577_836_800.0), "{reading:?}");
    }
}
