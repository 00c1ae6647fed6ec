//! The real binary in a directory of its own, with an environment of its own.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// So many different ones.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.each_ref().map(|listener| listener.local_addr().expect("a bound address").port())
}

/// A working directory and environment to run `mintreu` in, several times if need be.
#[derive(Debug)]
pub(crate) struct Mintreu {
    directory: TempDir,
    env: Vec<(String, String)>,
    http: u16,
    metrics: u16,
}

/// What a finished command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Mintreu {
    /// An empty directory, free ports, and nothing of this process's environment but what programs need to run.
    pub(crate) fn new() -> Self {
        super::crypto();
        let [http, metrics] = free_ports();
        Self { directory: tempfile::tempdir().expect("a temporary directory"), env: Vec::new(), http, metrics }
            .env("MINTREU__HTTP__LISTEN", format!("127.0.0.1:{http}"))
            .env("MINTREU__METRICS__LISTEN", format!("127.0.0.1:{metrics}"))
    }

    /// Sets an environment variable for every command from now on; the last one set wins.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The working directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the shop answers, e.g. `url("/livez")`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// Where the metrics are.
    pub(crate) fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.metrics)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mintreu"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null()).env_clear();
        let kept = ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE", "RUST_BACKTRACE"];
        command.envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let mut running = self.spawn(arguments);
        let status = running.wait();
        Finished { status, stdout: running.stdout(), stderr: running.stderr() }
    }

    /// Runs a command to its end with this on its standard input.
    ///
    /// # Panics
    /// If it does not end in time.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Finished {
        let file = self.directory.path().join("stdin");
        fs::write(&file, input).expect("the input is written");
        let input = File::open(&file).expect("the input is read");
        let mut running = self.spawn_with(arguments, input.into());
        let status = running.wait();
        Finished { status, stdout: running.stdout(), stderr: running.stderr() }
    }

    /// Starts a command. Its output goes to files, so that it never waits for a reader.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        self.spawn_with(arguments, Stdio::null())
    }

    fn spawn_with(&self, arguments: &[&str], input: Stdio) -> Running {
        let outputs = tempfile::tempdir().expect("a temporary directory");
        let create = |name| File::create(outputs.path().join(name)).expect("a file for the output");
        let child = self.command(arguments).stdin(input).stdout(create("stdout")).stderr(create("stderr")).spawn();
        Running { child: child.expect("the binary starts"), outputs, status: None }
    }

    /// Starts `serve` and waits until it answers.
    pub(crate) async fn serve(&self) -> Running {
        let mut running = self.spawn(&["serve"]);
        running.wait_until_answers(&self.url("/readyz")).await;
        running
    }
}

/// A process that runs; killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    outputs: TempDir,
    status: Option<ExitStatus>,
}

impl Running {
    /// The operating system's number for it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub(crate) fn stdout(&self) -> String {
        read(self.outputs.path().join("stdout"))
    }

    /// What it wrote so far to the standard error.
    pub(crate) fn stderr(&self) -> String {
        read(self.outputs.path().join("stderr"))
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("its state can be asked");
        }
        self.status
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "still running after {PATIENCE:?}:\n{}", self.stderr());
            thread::sleep(TICK);
        }
    }

    /// Waits until a GET of `url` succeeds.
    ///
    /// # Panics
    /// If the process ends before, or if it does not answer in time.
    pub(crate) async fn wait_until_answers(&mut self, url: &str) {
        super::crypto();
        let (began, client) = (Instant::now(), reqwest::Client::new());
        loop {
            let answer = client.get(url).timeout(PATIENCE).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            if let Some(status) = self.ended() {
                panic!("ended with {status} before {url} answered:\n{}", self.stderr());
            }
            assert!(began.elapsed() < PATIENCE, "{url} gives {answer:?} after {PATIENCE:?}:\n{}", self.stderr());
            tokio::time::sleep(TICK).await;
        }
    }

    /// Ends it as a power cut would end the process: it can do nothing about it.
    pub(crate) fn kill_9(&mut self) {
        let _ = self.child.kill();
        self.status = Some(self.child.wait().expect("it ended"));
    }

    /// Asks it to end, as an init system does.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
    }

    /// Stops it without ending it (`STOP`), lets it go on (`CONT`), or sends another signal.
    pub(crate) fn signal(&mut self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "no process {} to send {name} to", self.id());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill_9();
        }
    }
}

fn read(path: PathBuf) -> String {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => panic!("the output cannot be read: {error}"),
    }
}
