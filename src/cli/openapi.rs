//! `mintreu openapi`: the description that a server of this configuration would serve, without one.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;

use super::{Failure, serve};
use crate::{
    config::{Config, Profile},
    http::{self, Front, FrontOptions, Readiness},
    kernel::{IdSource, SecretKey, SystemClock},
};

#[derive(Debug, Args)]
pub(super) struct OpenApi {
    /// Write it to this file instead of the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl OpenApi {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode, Failure> {
        let document = document(config).await?;
        match &self.output {
            Some(file) => {
                let told = |error| Failure::failed(format!("cannot write {}: {error}", file.display()));
                fs::write(file, &document).map_err(told)?;
            }
            None => match io::stdout().lock().write_all(&document) {
                // Whoever reads may have gone.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Failure::failed(error)),
                _ => {}
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The routes describe themselves, and they are those of an application: so there is one for a moment, with nothing in it, in
/// a directory of its own.
async fn document(mut config: Config) -> Result<Vec<u8>, Failure> {
    let scratch = Scratch::new().map_err(|error| {
        Failure::failed(format!("cannot make a directory in {}: {error}", std::env::temp_dir().display()))
    })?;
    let url = format!("sqlite://{}", scratch.0.join("openapi.db").display());
    config.database.url = url.parse().map_err(Failure::failed)?;
    config.usage.journal_dir = scratch.0.join("usage");
    config.secrets.key = vec![SecretKey::random().map_err(Failure::failed)?];
    // Only development makes the schema by itself.
    config.profile = Profile::Development;
    let app = serve::open_app(&config).await?;
    let options = FrontOptions::new(config.http.public_url.as_str());
    let front = Front::new(options, app.db.ids().clone(), Readiness::new(Vec::new()));
    let document = front.description(http::routes(app.clone()));
    app.db.close().await;
    Ok(document.to_vec())
}

/// A directory that goes with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        // Not the process's number: in a container the next one has the same, and finds what a killed one left.
        let name = IdSource::new(Arc::new(SystemClock)).next_uuid().simple();
        let path = std::env::temp_dir().join(format!("mintreu-openapi-{name}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::warn!(path = %path.display(), %error, "a directory is left");
        }
    }
}
