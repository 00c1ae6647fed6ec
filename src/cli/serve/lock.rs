//! One server per SQLite file.

use std::fs::{File, OpenOptions, TryLockError};

use super::super::Failure;
use crate::config::Config;

/// Takes the lock of the SQLite file, which the system gives back when the process ends; none for PostgreSQL.
pub(super) fn take(config: &Config) -> Result<Option<File>, Failure> {
    let Some(database) = config.database.url.sqlite_file() else { return Ok(None) };
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = std::path::PathBuf::from(path);
    let unwritable = |error| {
        Failure::failed(format!("database.url: cannot write {}: {error}; make its directory writable", path.display()))
    };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| {
            let directory = directory.display();
            Failure::failed(format!(
                "database.url: cannot make the directory {directory}: {error}; name a file in one that can be made"
            ))
        })?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Failure::failed(format!(
            "database.url: another server has {} open; stop it, or use PostgreSQL for several",
            database.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unwritable(error)),
    }
}
