//! A mail server, as much of one as a client needs, and as bad a one as a client must bear: RFC 5321 over TCP or TLS, on the
//! loopback interface.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

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

/// What the server asks of those who come, and what it offers them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    /// User and password, without which nothing is taken.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// How it can be talked to in private.
    pub(crate) tls: Tls,
}

/// How a server can be talked to in private.
#[derive(Debug, Clone, Default)]
pub(crate) enum Tls {
    /// Not at all.
    #[default]
    Never,
    /// From the start alone.
    Wrapped(Identity),
    /// It offers `STARTTLS`.
    Offered(Identity),
}

/// A server's certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity(Arc<rustls::ServerConfig>);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// Somebody who vouches for servers.
pub(crate) struct CertificateAuthority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "An authority of these tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// For the file that `mail.smtp.ca_file` names.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Says that a server is `host`: a name or an address.
    pub(crate) fn vouch_for(&self, host: &str) -> Identity {
        super::crypto();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        Identity(Arc::new(config.with_single_cert(vec![certificate], key.into()).expect("they belong together")))
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
    moods: VecDeque<Mood>,
    /// What recipients are answered with, always.
    nobody: BTreeMap<String, String>,
    refused: usize,
    connections: usize,
    manners: Manners,
    /// Everything that was said in the clear.
    heard: Vec<String>,
    /// How handshakes ended.
    handshakes: Vec<Result<(), String>>,
}

impl SmtpServer {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        Self::start_at(0).await
    }

    /// Starts it at a port that another had.
    pub(crate) async fn start_at(port: u16) -> Self {
        Self::open(port, Manners::default()).await
    }

    /// Starts one that is not open to everybody.
    pub(crate) async fn with(manners: Manners) -> Self {
        Self::open(0, manners).await
    }

    async fn open(port: u16, manners: Manners) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State { manners, ..State::default() }));
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

    /// Everything that was said in the clear.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    /// How handshakes ended.
    pub(crate) fn handshakes(&self) -> Vec<Result<(), String>> {
        self.state().handshakes.clone()
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
    let tls = state.lock().expect("not poisoned").manners.tls.clone();
    match tls {
        Tls::Never => talk(stream, &state, Ears::Everybody).await.map(drop),
        Tls::Wrapped(identity) => {
            let stream = handshake(stream, &identity, &state).await?;
            talk(stream, &state, Ears::Ours).await.map(drop)
        }
        Tls::Offered(identity) => {
            let Some(stream) = talk(stream, &state, Ears::Everybody).await? else { return Ok(()) };
            let stream = handshake(stream, &identity, &state).await?;
            talk(stream, &state, Ears::OursFromHere).await.map(drop)
        }
    }
}

/// Who can hear what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ears {
    Everybody,
    Ours,
    /// The greeting was in the clear.
    OursFromHere,
}

async fn handshake(
    stream: TcpStream,
    identity: &Identity,
    state: &Mutex<State>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let ended = TlsAcceptor::from(Arc::clone(&identity.0)).accept(stream).await;
    let told = ended.as_ref().map(drop).map_err(ToString::to_string);
    state.lock().expect("not poisoned").handshakes.push(told);
    ended
}

/// Gives the connection back when the client wants to go on in private.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    state: &Mutex<State>,
    ears: Ears,
) -> std::io::Result<Option<S>> {
    let mut lines = BufReader::new(stream);
    if ears != Ears::OursFromHere {
        say(&mut lines, "220 test ESMTP").await?;
    }
    let manners = state.lock().expect("not poisoned").manners.clone();
    let offers_tls = ears == Ears::Everybody && matches!(manners.tls, Tls::Offered(_));
    let mut is_in = manners.login.is_none();
    let (mut from, mut to, mut mood) = (String::new(), Vec::new(), None);
    loop {
        let mut command = String::new();
        if lines.read_line(&mut command).await? == 0 {
            return Ok(None);
        }
        let command = command.trim_end();
        let upper = command.to_ascii_uppercase();
        if ears == Ears::Everybody {
            state.lock().expect("not poisoned").heard.push(command.to_owned());
        }
        let answer = if upper.starts_with("EHLO") {
            let tls = if offers_tls { "250-STARTTLS\r\n" } else { "" };
            let login = if manners.login.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
            line(&format!("250-test\r\n{tls}{login}250 8BITMIME"))
        } else if upper == "STARTTLS" && offers_tls {
            say(&mut lines, "220 go on").await?;
            return Ok(Some(lines.into_inner()));
        } else if upper.starts_with("AUTH PLAIN ") {
            is_in = manners.login.is_some_and(|login| command.split(' ').nth(2) == Some(&plain(login)));
            line(if is_in { "235 2.7.0 welcome" } else { "535 5.7.8 who are you" })
        } else if !is_in && upper.starts_with("MAIL FROM:") {
            line("530 5.7.0 sign in first")
        } else if upper.starts_with("MAIL FROM:") {
            (from, to) = (address(command), Vec::new());
            mood = state.lock().expect("not poisoned").moods.pop_front();
            line("250 ok")
        } else if upper.starts_with("RCPT TO:") {
            to.push(address(command));
            recipient(state, mood.as_ref(), &to)
        } else if upper == "DATA" && mood == Some(Mood::DieBeforeContent) {
            Answer::Close
        } else if upper == "DATA" {
            say(&mut lines, "354 go on").await?;
            // Without its end it is no mail.
            let Some(text) = data(&mut lines).await? else { return Ok(None) };
            let mail = Received { from: std::mem::take(&mut from), to: std::mem::take(&mut to), text };
            take(state, mood.take(), mail)
        } else if upper == "QUIT" {
            say(&mut lines, "221 bye").await?;
            return Ok(None);
        } else if upper == "RSET" || upper == "NOOP" || upper.starts_with("HELO") {
            line("250 ok")
        } else {
            line("502 not here")
        };
        match answer {
            Answer::Line(text) => say(&mut lines, &text).await?,
            Answer::Close => return Ok(None),
            Answer::Hang => pending().await,
        }
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// RFC 4616, 2.
fn plain((user, password): (&str, &str)) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("\0{user}\0{password}"))
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
