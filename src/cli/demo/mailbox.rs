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

impl Mailbox {
    pub(super) fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Waits for the mail to `address` that holds `mark`, and gives its text.
    pub(super) async fn wait_for(&self, address: &str, mark: &str) -> Result<String, Failure> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(text) = self.find(address, mark) {
                return Ok(text);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Failure::failed(format!("no mail to {address} about {mark:?} came within {} s", PATIENCE.as_secs())))
    }

    fn find(&self, address: &str, mark: &str) -> Option<String> {
        let files = std::fs::read_dir(&self.0).ok()?;
        files.filter_map(Result::ok).find_map(|file| {
            let raw = std::fs::read_to_string(file.path()).ok()?;
            let text = unfold(&raw);
            (text.contains(address) && text.contains(mark)).then_some(text)
        })
    }
}

/// Takes back what quoted-printable (RFC 2045, 6.7) does to long lines and to signs; other text passes through.
fn unfold(raw: &str) -> String {
    let joined = raw.replace("=\r\n", "").replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, code) {
            (b'=', Some(code)) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
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
        assert_eq!(unfold("a=3Db=\r\nc =C3=BC = d"), "a=bc ü = d");
        assert_eq!(after("see https://x/?token=abc and", "?token="), Some("abc"));
        assert_eq!(after("nothing", "?token="), None);
    }
}
