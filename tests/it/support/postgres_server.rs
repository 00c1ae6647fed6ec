//! A throw-away PostgreSQL server that a test may stop and start: what no shared server can be put through.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::free_port;

/// A server of this test alone, on the loopback interface; stopped and removed when this is dropped.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
}

impl PostgresServer {
    /// Starts a new, empty server; none without PostgreSQL's programs.
    ///
    /// # Panics
    /// If it does not start, or if there are no programs where every test is required to run.
    pub(crate) fn start_new() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                !super::required(),
                "PostgreSQL's initdb and pg_ctl are missing, and every test is required to run"
            );
            eprintln!("passed over: PostgreSQL's initdb and pg_ctl are not installed");
            return None;
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        if is_root() {
            let status = Command::new("chown").arg(ACCOUNT).arg(directory.path()).status().expect("chown runs");
            assert!(status.success(), "PostgreSQL refuses to run as root, and there is no account `{ACCOUNT}`");
        }
        let server = Self { programs, directory, port: free_port() };
        server.run("initdb", &["--username", "mintreu", "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]);
        server.start();
        Some(server)
    }

    /// Where its one database is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://mintreu@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it (again) and waits until it takes connections.
    pub(crate) fn start(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=100 -c shared_buffers=32MB",
            self.port,
            self.directory.path().display()
        );
        let log = self.directory.path().join("log");
        self.run("pg_ctl", &["--wait", "--timeout=120", "--log", &log.display().to_string(), "-o", &options, "start"]);
    }

    /// Stops it; `mode` is `fast` (sessions are cut) or `immediate` (as if the power went).
    pub(crate) fn stop(&self, mode: &str) {
        self.run("pg_ctl", &["--wait", "--timeout=120", "--mode", mode, "stop"]);
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let Output { status, stderr, .. } = self.command(program, arguments).output().expect("it runs");
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        assert!(status.success(), "{program} {arguments:?}: {}\n{log}", String::from_utf8_lossy(&stderr));
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", ACCOUNT, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("--pgdata").arg(self.data()).args(arguments);
        // The server inherits these: none may keep a pipe of this process open.
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl", &["--wait", "--mode", "immediate", "stop"]);
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Who runs the server when this process is root, which PostgreSQL refuses to be.
const ACCOUNT: &str = "postgres";

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The directory with PostgreSQL's programs, the newest version first.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let complete = |directory: &Path| ["initdb", "pg_ctl"].iter().all(|program| directory.join(program).exists());
    versions.into_iter().rev().chain(std::env::split_paths(&path)).find(|directory| complete(directory))
}
