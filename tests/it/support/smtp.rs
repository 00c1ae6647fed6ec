//! A mail server, as much of one as a client needs, and as bad a one as a client must bear: RFC 5321 over plain TCP, on the
//! loopback interface.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
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

/// What the server does with one of the next mails instead of taking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers the content with this line, such as `451 4.3.0 later`.
    Refuse(String),
    /// Answers the recipient with this line.
    RefuseRecipient(String),
    /// Says nothing any more when it is told the recipient.
    HangAtRecipient,
    /// Closes the connection instead of asking for the content.
    DieBeforeContent,
    /// Takes the content and closes the connection.
    DieAfterContent,
    /// Takes the content and says nothing any more.
    HangAfterContent,
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
    moods: VecDeque<Mood>,
    /// What recipients are answered with, always.
    nobody: BTreeMap<String, String>,
    refused: usize,
    connections: usize,
}

impl SmtpServer {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        Self::start_at(0).await
    }

    /// Starts it at a port that another had.
    pub(crate) async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            // Conversations end with the server.
            let mut conversations = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().expect("not poisoned").connections += 1;
                // A client that leaves in the middle has its reasons.
                conversations.spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state, serving }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What `mail.smtp.url` takes.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// Answers one of the next mails with this line, such as `451 4.3.0 later`.
    pub(crate) fn refuse(&self, line: &str) {
        self.be(Mood::Refuse(line.to_owned()));
    }

    /// Treats one of the next mails so.
    pub(crate) fn be(&self, mood: Mood) {
        self.state().moods.push_back(mood);
    }

    /// Answers this recipient so from now on.
    pub(crate) fn nobody_at(&self, address: &str, line: &str) {
        self.state().nobody.insert(address.to_owned(), line.to_owned());
    }

    /// What has arrived.
    pub(crate) fn mails(&self) -> Vec<Received> {
        self.state().mails.clone()
    }

    /// How many were refused.
    pub(crate) fn refused(&self) -> usize {
        self.state().refused
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a command is answered with.
enum Answer {
    Line(String),
    Close,
    Hang,
}

fn line(text: &str) -> Answer {
    Answer::Line(text.to_owned())
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    writer.write_all(b"220 test ESMTP\r\n").await?;
    let (mut from, mut to, mut mood) = (String::new(), Vec::new(), None);
    loop {
        let mut command = String::new();
        if lines.read_line(&mut command).await? == 0 {
            return Ok(());
        }
        let command = command.trim_end();
        let upper = command.to_ascii_uppercase();
        let answer = if upper.starts_with("EHLO") {
            line("250-test\r\n250 8BITMIME")
        } else if upper.starts_with("MAIL FROM:") {
            (from, to) = (address(command), Vec::new());
            mood = state.lock().expect("not poisoned").moods.pop_front();
            line("250 ok")
        } else if upper.starts_with("RCPT TO:") {
            to.push(address(command));
            recipient(&state, mood.as_ref(), &to)
        } else if upper == "DATA" && mood == Some(Mood::DieBeforeContent) {
            Answer::Close
        } else if upper == "DATA" {
            writer.write_all(b"354 go on\r\n").await?;
            // Without its end it is no mail.
            let Some(text) = data(&mut lines).await? else { return Ok(()) };
            let mail = Received { from: std::mem::take(&mut from), to: std::mem::take(&mut to), text };
            take(&state, mood.take(), mail)
        } else if upper == "QUIT" {
            writer.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else if upper == "RSET" || upper == "NOOP" || upper.starts_with("HELO") {
            line("250 ok")
        } else {
            line("502 not here")
        };
        match answer {
            Answer::Line(text) => writer.write_all(format!("{text}\r\n").as_bytes()).await?,
            Answer::Close => return Ok(()),
            Answer::Hang => pending().await,
        }
    }
}

fn recipient(state: &Mutex<State>, mood: Option<&Mood>, to: &[String]) -> Answer {
    let mut state = state.lock().expect("not poisoned");
    let nobody = to.iter().find_map(|address| state.nobody.get(address).cloned());
    match (nobody, mood) {
        (Some(refusal), _) => {
            state.refused += 1;
            Answer::Line(refusal)
        }
        (None, Some(Mood::RefuseRecipient(refusal))) => {
            state.refused += 1;
            line(refusal)
        }
        (None, Some(Mood::HangAtRecipient)) => Answer::Hang,
        (None, _) => line("250 ok"),
    }
}

fn take(state: &Mutex<State>, mood: Option<Mood>, mail: Received) -> Answer {
    let mut state = state.lock().expect("not poisoned");
    let answer = match mood {
        Some(Mood::Refuse(refusal)) => {
            state.refused += 1;
            return Answer::Line(refusal);
        }
        Some(Mood::DieAfterContent) => Answer::Close,
        Some(Mood::HangAfterContent) => Answer::Hang,
        _ => line("250 taken"),
    };
    state.mails.push(mail);
    answer
}

/// What stands between the angle brackets.
fn address(command: &str) -> String {
    command.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address).to_owned()
}

async fn data(lines: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if line == ".\r\n" {
            return Ok(Some(text));
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
