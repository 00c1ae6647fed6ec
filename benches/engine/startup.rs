//! How soon `serve` on an empty directory is ready, and what it holds of memory when idle.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::report::Report;

pub(crate) async fn run(report: &Report<'_>) {
    if !report.wants("serve") {
        return;
    }
    let (mut times, mut memory) = (Vec::new(), 0);
    for _ in 0..5 {
        let dir = tempfile::tempdir().expect("a directory");
        let began = Instant::now();
        let mut server = Command::new(env!("CARGO_BIN_EXE_mintreu"))
            .arg("serve")
            .current_dir(dir.path())
            .env("MINTREU__HTTP__LISTEN", "127.0.0.1:18080")
            .env("MINTREU__METRICS__LISTEN", "127.0.0.1:19464")
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        while !is_ready().await {
            assert!(began.elapsed() < Duration::from_secs(30), "never ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory = memory.max(resident(&server));
        server.kill().expect("kills");
        server.wait().expect("ends");
    }
    Report::times("serve: empty directory to /readyz", &mut times, "< 500 ms");
    println!("{:<46} {:>10.1} MB   goal < 50 MB", "serve: idle memory", memory as f64 / 1e6);
}

async fn is_ready() -> bool {
    reqwest::get("http://127.0.0.1:18080/readyz").await.is_ok_and(|answer| answer.status().is_success())
}

/// Resident memory in bytes.
fn resident(server: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}
