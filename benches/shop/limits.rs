//! The limits: servers that do the least, written by hand. They run in a process of their own, like ours.

use std::{
    process::{Child, Command, Stdio},
    str::FromStr,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
    serve::ListenerExt,
};
use mintreu::{
    kernel::{Clock, SystemClock},
    payments::signature,
};
use sqlx::{
    Connection as _, PgPool, SqliteConnection,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::shop::{SECRET, free_address};

/// A server of the least; gone when this is dropped.
pub(crate) struct Limit {
    pub(crate) address: String,
    child: Child,
    _dir: Option<tempfile::TempDir>,
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Limit {
    /// Answers `hello`.
    pub(crate) async fn hello() -> Self {
        Self::start("hello", "", None).await
    }

    /// Sends whoever asks elsewhere.
    pub(crate) async fn redirect() -> Self {
        Self::start("redirect", "", None).await
    }

    /// Verifies a webhook's signature and writes one row durably: through one connection that commits for all who wait,
    /// on SQLite; on sixteen connections, on PostgreSQL.
    pub(crate) async fn row(postgres: Option<&str>) -> Self {
        if let Some(url) = postgres {
            return Self::start("postgres", url, None).await;
        }
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let file = dir.path().join("limit.db").display().to_string();
        Self::start("sqlite", &file, Some(dir)).await
    }

    async fn start(kind: &str, place: &str, dir: Option<tempfile::TempDir>) -> Self {
        let address = free_address();
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["--limit", kind, &address, place]).stdin(Stdio::null());
        let child = command.spawn().expect("it starts");
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { address, child, _dir: dir }
    }
}

/// What the child process does.
pub(crate) async fn serve(arguments: &[String]) {
    let [kind, address, place] = arguments else { panic!("--limit KIND ADDRESS PLACE") };
    let app = match kind.as_str() {
        "hello" => Router::new().route("/hello", get(|| async { "hello" })),
        "redirect" => Router::new().route("/redirect", get(elsewhere)),
        "sqlite" => Router::new().route("/webhook", post(sqlite_row)).with_state(writer(place).await),
        "postgres" => Router::new().route("/webhook", post(postgres_row)).with_state(pool(place).await),
        other => panic!("no limit is called {other}"),
    };
    let listener = TcpListener::bind(address).await.expect("a listener");
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket"));
    axum::serve(listener, app).await.expect("it serves");
}

async fn elsewhere() -> (StatusCode, [(header::HeaderName, &'static str); 1]) {
    (StatusCode::FOUND, [(header::LOCATION, "https://bucket.example.com/file?signature=0123456789abcdef")])
}

fn verified(headers: &HeaderMap, body: &[u8]) -> bool {
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    signature::verify(SECRET, header, body, SystemClock.now()).is_ok()
}

type Row = (Bytes, oneshot::Sender<()>);

async fn sqlite_row(State(writer): State<mpsc::Sender<Row>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !verified(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let (done, wait) = oneshot::channel();
    writer.send((body, done)).await.expect("the writer lives");
    wait.await.expect("it is written");
    StatusCode::OK
}

/// One connection, one transaction for all that wait.
async fn writer(file: &str) -> mpsc::Sender<Row> {
    let options = SqliteConnectOptions::from_str(file)
        .expect("a file")
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("it opens");
    sqlx::query("CREATE TABLE inbox (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)")
        .execute(&mut connection)
        .await
        .expect("a table");
    let (sender, mut rows) = mpsc::channel::<Row>(1_024);
    tokio::spawn(async move {
        let mut group = Vec::new();
        while rows.recv_many(&mut group, 256).await > 0 {
            let mut tx = connection.begin().await.expect("begins");
            for (body, _) in &group {
                sqlx::query("INSERT INTO inbox (payload) VALUES ($1)")
                    .bind(std::str::from_utf8(body).expect("text"))
                    .execute(&mut *tx)
                    .await
                    .expect("inserts");
            }
            tx.commit().await.expect("commits");
            for (_, done) in group.drain(..) {
                let _ = done.send(());
            }
        }
    });
    sender
}

async fn pool(url: &str) -> PgPool {
    let pool =
        PgPoolOptions::new().max_connections(16).min_connections(16).connect(url).await.expect("PostgreSQL answers");
    sqlx::query("CREATE TABLE limit_inbox (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload TEXT NOT NULL)")
        .execute(&pool)
        .await
        .expect("a table");
    pool
}

async fn postgres_row(State(pool): State<PgPool>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !verified(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    sqlx::query("INSERT INTO limit_inbox (payload) VALUES ($1)")
        .bind(std::str::from_utf8(&body).expect("text"))
        .execute(&pool)
        .await
        .expect("inserts");
    StatusCode::OK
}
