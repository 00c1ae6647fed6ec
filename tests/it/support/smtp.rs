//! A mail server, as much of one as a client needs: RFC 5321 over plain TCP, on the loopback interface.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A mail as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The envelope's sender.
    pub(crate) from: String,
    /// The envelope's recipients.
    pub(crate) to: Vec<String>,
    /// Headers and body.
    pub(crate) text: String,
}

impl Received {
    /// The value of a header, if it is there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let mut values = head.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// A server that keeps what it takes, until this is dropped.
#[derive(Debug)]
pub(crate) struct SmtpServer {
    port: u16,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<Received>,
    /// What the next mails are answered with instead of 250.
    refusals: VecDeque<String>,
    refused: usize,
}

impl SmtpServer {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that leaves in the middle has its reasons.
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state, serving }
    }

    /// What `mail.smtp.url` takes.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Answers one of the next mails with this line, such as `451 4.3.0 later`.
    pub(crate) fn refuse(&self, line: &str) {
        self.state.lock().expect("not poisoned").refusals.push_back(line.to_owned());
    }

    /// What has arrived.
    pub(crate) fn mails(&self) -> Vec<Received> {
        self.state.lock().expect("not poisoned").mails.clone()
    }

    /// How many were refused.
    pub(crate) fn refused(&self) -> usize {
        self.state.lock().expect("not poisoned").refused
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    writer.write_all(b"220 test ESMTP\r\n").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end();
        let upper = command.to_ascii_uppercase();
        let answer = if upper.starts_with("EHLO") {
            "250-test\r\n250 8BITMIME".to_owned()
        } else if upper.starts_with("MAIL FROM:") {
            from = address(command);
            "250 ok".to_owned()
        } else if upper.starts_with("RCPT TO:") {
            to.push(address(command));
            "250 ok".to_owned()
        } else if upper == "DATA" {
            writer.write_all(b"354 go on\r\n").await?;
            let text = data(&mut lines).await?;
            let mail = Received { from: std::mem::take(&mut from), to: std::mem::take(&mut to), text };
            take(&state, mail)
        } else if upper == "QUIT" {
            writer.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else if upper == "RSET" || upper == "NOOP" || upper.starts_with("HELO") {
            "250 ok".to_owned()
        } else {
            "502 not here".to_owned()
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn take(state: &Mutex<State>, mail: Received) -> String {
    let mut state = state.lock().expect("not poisoned");
    if let Some(refusal) = state.refusals.pop_front() {
        state.refused += 1;
        return refusal;
    }
    state.mails.push(mail);
    "250 taken".to_owned()
}

/// What stands between the angle brackets.
fn address(command: &str) -> String {
    command.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address).to_owned()
}

async fn data(lines: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
