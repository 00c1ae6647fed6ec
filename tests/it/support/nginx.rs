//! nginx in front of a program, where it is installed: as it is written in docs/downloads.md.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::process::free_port;

const DOCS: &str = include_str!("../../../docs/downloads.md");

/// A proxy that sends the program's files itself; gone when this is dropped.
pub(crate) struct Nginx {
    port: u16,
    child: Child,
    config: PathBuf,
    _directory: TempDir,
}

impl Nginx {
    /// In front of `program` (`HOST:PORT`), whose files are in `files`; none where nginx is not installed and need not be.
    ///
    /// # Panics
    ///
    /// If it is not installed where no test may be passed over.
    pub(crate) async fn before(program: &str, files: &Path) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let (here, port) = (directory.path().display(), free_port());
        let (_, location) = DOCS.split_once("```nginx\n").expect("it is written");
        let location = location.split("```").next().expect("its end");
        let location = location.replace("/srv/mintreu/var/files", &files.display().to_string());
        // One process of whoever runs the tests.
        let text = format!(
            "daemon off; master_process off; pid {here}/nginx.pid; error_log stderr crit;
             events {{ worker_connections 64; }}
             http {{
                 access_log off;
                 client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
                 uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
                 server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{program}; }} {location} }}
             }}"
        );
        let config = directory.path().join("nginx.conf");
        fs::write(&config, text).expect("a file");
        let child = match command().arg("-c").arg(&config).args(["-e", "stderr"]).stdin(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) if super::required() || std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                panic!("nginx is missing ({error}): apt-get install nginx-light")
            }
            Err(_) => return None,
        };
        let mut nginx = Self { port, child, config, _directory: directory };
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = nginx.child.try_wait().expect("a child");
            assert!(ended.is_none(), "nginx does not take {}", fs::read_to_string(&nginx.config).unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(nginx)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    // Not in everybody's path.
    let system = Path::new("/usr/sbin/nginx");
    Command::new(if system.exists() { system } else { Path::new("nginx") })
}
