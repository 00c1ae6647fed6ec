//! nginx, which sends files as fast as anybody: the limit of downloads.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::shop::free_address;

/// A server of a directory's files, with a configuration of its own; gone when this is dropped.
pub(crate) struct Nginx {
    pub(crate) address: String,
    child: Child,
    config: PathBuf,
    _dir: tempfile::TempDir,
}

impl Nginx {
    /// Serves `files`; none if nginx is not installed.
    pub(crate) async fn serve(files: &Path) -> Option<Self> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let (here, address, config) = (dir.path().display(), free_address(), dir.path().join("nginx.conf"));
        // Its workers are somebody else unless they are told to be who started it; only the superuser may say so.
        let user = if std::env::var("USER").is_ok_and(|user| user != "root") { "" } else { "user root;" };
        let text = format!(
            "{user} daemon off; worker_processes auto; pid {here}/nginx.pid; error_log stderr crit;
             events {{ worker_connections 256; }}
             http {{
                 access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
                 client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
                 uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
                 server {{ listen {address}; root {}; }}
             }}",
            files.display()
        );
        std::fs::write(&config, text).expect("a configuration");
        let mut child = command(&config).stdin(Stdio::null()).spawn().ok()?;
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            assert!(child.try_wait().expect("a child").is_none(), "nginx does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(Self { address, child, config, _dir: dir })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only if it is asked.
        let _ = command(&self.config).args(["-s", "stop"]).status();
        let _ = self.child.wait();
    }
}

fn command(config: &Path) -> Command {
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" });
    command.env("PATH", path).arg("-c").arg(config).args(["-e", "stderr"]);
    command
}
