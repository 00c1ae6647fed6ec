//! A PostgreSQL server of a test's own, to be stopped, started again, and to be refused by.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use sqlx::Connection;

use crate::{
    journey_shop::until,
    support::{free_port, required},
};

/// The password of its one user.
pub(crate) const PASSWORD: &str = "correct-horse";

/// The server; gone when this is dropped.
pub(crate) struct Server {
    programs: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

impl Server {
    /// Makes one and starts it; none where its programs are not installed.
    ///
    /// # Panics
    /// Without its programs where every test is required to run.
    pub(crate) async fn start_new() -> Option<Self> {
        let Some(mut server) = Self::make() else {
            assert!(!required(), "PostgreSQL's programs are not installed, and every test is required to run");
            eprintln!("passed over: PostgreSQL's programs are not installed");
            return None;
        };
        server.start().await;
        Some(server)
    }

    fn make() -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
        let programs = programs.filter(|programs| programs.join("initdb").exists()).max()?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Self { programs, directory, port: free_port(), running: None };
        if Self::as_root() {
            // PostgreSQL refuses to run as root.
            let chown = Command::new("chown").arg("postgres").arg(server.directory.path()).status();
            assert!(chown.is_ok_and(|status| status.success()), "the account postgres is there");
        }
        let password = server.directory.path().join("password");
        fs::write(&password, PASSWORD).expect("a file");
        let data = server.data().display().to_string();
        let made = server
            .command("initdb")
            .args(["--pgdata", &data, "--username", "mintreu", "--auth", "scram-sha-256", "--no-sync"])
            .arg("--pwfile")
            .arg(&password)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{made:?}");
        Some(server)
    }

    fn as_root() -> bool {
        fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = if Self::as_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Where it is, for whoever knows the password.
    pub(crate) fn url(&self, password: &str) -> String {
        format!("postgres://mintreu:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it.
    pub(crate) async fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.path().join("log"));
        let (data, sockets) = (self.data().display().to_string(), self.directory.path().display().to_string());
        let mut command = self.command("postgres");
        command.args(["-D", &data, "-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", &format!("unix_socket_directories={sockets}")]);
        self.running = Some(command.stderr(log.expect("a log")).stdout(Stdio::null()).spawn().expect("it runs"));
        until("PostgreSQL takes connections", async || {
            sqlx::PgConnection::connect(&self.url(PASSWORD)).await.map(drop)
        })
        .await;
    }

    /// Stops it as an administrator in a hurry does: everyone is disconnected.
    pub(crate) fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let stopped = self.command("pg_ctl").args(["stop", "-m", "fast", "-D"]).arg(self.data()).output();
        assert!(stopped.is_ok_and(|done| done.status.success()), "PostgreSQL stops");
        let _ = running.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
