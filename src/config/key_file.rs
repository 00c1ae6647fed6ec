//! The key that development makes for itself, so that a restart still opens what was sealed before.
//!
//! Written once, mode 0600, whole or not at all; never overwritten.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::kernel::{SecretKey, seal::SealError, secret::RandomError};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("{path}: {error}; make its directory writable, or set MINTREU__SECRETS__KEY", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It does not hold a key. Making a new one would lose what the old one sealed.
    #[error(
        "{path}: holds no key (64 hexadecimal digits); restore it, or remove it to lose what it sealed",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Others on this machine can read it.
    #[error("{path}: others can read this key (mode {mode:o}); run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No keyring can be made of what there is.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Reads the key in the file at `path`, which is made if there is none.
pub(super) fn read_or_make(path: &Path) -> Result<SecretKey, KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.to_owned(), error };
    match read(path) {
        Err(KeyFileError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(io)?;
    let key = SecretKey::random()?;
    match write(path, directory, &key) {
        Ok(()) => Ok(key),
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(io(error)),
    }
}

fn read(path: &Path) -> Result<SecretKey, KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.to_owned(), error };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    // A key is short: whatever is longer is something else.
    file.take(1024).read_to_end(&mut bytes).map_err(io)?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    text.trim().parse().map_err(|_| KeyFileError::Damaged { path: path.to_owned() })
}

/// Writes beside, then links: a file of this name is always whole, and one that is there is never replaced.
fn write(path: &Path, directory: &Path, key: &SecretKey) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", key.to_hex().expose())?;
        file.sync_all()?;
        fs::hard_link(&draft, path)
    })();
    // A draft that stays is harmless and is overwritten next time.
    let _ = fs::remove_file(&draft);
    written?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_read_ever_after() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("var/secret.key");
        let made = read_or_make(&path).expect("made");
        assert_eq!(read_or_make(&path).expect("read"), made);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("var")).expect("readable").count(), 1, "no draft is left");
    }

    #[test]
    fn processes_that_start_together_agree_on_one_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret.key");
        write(&path, dir.path(), &SecretKey::random().expect("random")).expect("written");
        let late = write(&path, dir.path(), &SecretKey::random().expect("random")).expect_err("there already");
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_damaged_key_is_told_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret.key");
        fs::write(&path, "half a k").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        assert!(matches!(read_or_make(&path), Err(KeyFileError::Damaged { .. })));
        assert_eq!(fs::read_to_string(&path).expect("there"), "half a k");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret.key");
        read_or_make(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let error = read_or_make(&path).expect_err("exposed").to_string();
        assert!(error.contains("mode 644") && error.contains("chmod 600"), "{error}");
    }
}
