//! The mailbox of the demonstration: the directory that mails are written to.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::Failure;

/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of mails.
pub(super) struct Mailbox(PathBuf);

/// A mail that came.
pub(super) struct Mail {
    /// The file.
    pub(super) path: PathBuf,
    /// All of it, as it is read.
    pub(super) text: String,
}

impl Mail {
    /// What it is about.
    pub(super) fn subject(&self) -> &str {
        self.text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("(no subject)").trim()
    }
}

impl Mailbox {
    pub(super) fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Waits for the mail to `address` that holds `mark`.
    pub(super) async fn wait_for(&self, address: &str, mark: &str) -> Result<Mail, Failure> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(mail) = self.to(address).into_iter().find(|mail| mail.text.contains(mark)) {
                return Ok(mail);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Failure::failed(format!("no mail to {address} about {mark:?} came within {} s", PATIENCE.as_secs())))
    }

    /// All mails to an address, the first first: their names begin with a time.
    pub(super) fn to(&self, address: &str) -> Vec<Mail> {
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(&self.0) {
            Ok(files) => files.filter_map(Result::ok).map(|file| file.path()).collect(),
            Err(_) => Vec::new(),
        };
        paths.sort();
        let read = |path: PathBuf| {
            let text = unfold(&std::fs::read_to_string(&path).ok()?);
            let is_theirs = text.lines().any(|line| line.starts_with("To: ") && line.contains(address));
            is_theirs.then_some(Mail { path, text })
        };
        paths.into_iter().filter_map(read).collect()
    }
}

/// Takes back what quoted-printable (RFC 2045, 6.7) does to long lines and to signs; mails without it are as they are.
fn unfold(raw: &str) -> String {
    if !raw.contains("Content-Transfer-Encoding: quoted-printable") {
        return raw.to_owned();
    }
    let joined = raw.replace("=\r\n", "").replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let (b'=', Some(code)) = (byte, code) {
            bytes.push(code);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What follows `mark` in a text, up to the next white space.
pub(super) fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let start = text.find(mark)? + mark.len();
    text[start..].split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_and_signs_are_read_back() {
        let coded = "Content-Transfer-Encoding: quoted-printable\r\n";
        assert_eq!(unfold(&format!("{coded}a=3Db=\r\nc =C3=BC = d")), format!("{coded}a=bc ü = d"));
        assert_eq!(unfold("?token=01ab"), "?token=01ab", "what is not coded stays");
        assert_eq!(after("see https://x/?token=abc and", "?token="), Some("abc"));
        assert_eq!(after("nothing", "?token="), None);
    }
}
