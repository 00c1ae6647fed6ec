//! A PostgreSQL database for each test, on the server that `MINTREU_TEST_POSTGRES` names.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    thread,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

const SERVER: &str = "MINTREU_TEST_POSTGRES";

/// A database that nobody else uses; dropped, with whoever is still connected, when this is dropped.
#[derive(Debug)]
pub(crate) struct PostgresDb {
    server: String,
    name: String,
    url: String,
}

impl PostgresDb {
    /// Creates a database; none without a server.
    ///
    /// # Panics
    /// Without a server where every test is required to run.
    pub(crate) async fn create() -> Option<Self> {
        let server = match std::env::var(SERVER) {
            Ok(server) if !server.is_empty() => server,
            _ => {
                assert!(!super::required(), "{SERVER} names no server, and every test is required to run: use ./test");
                eprintln!("passed over: {SERVER} names no server; ./test starts one");
                return None;
            }
        };
        // Random, because another run may use the same server at the same time.
        let name = format!("mintreu_test_{:016x}", RandomState::new().build_hasher().finish());
        // From template0, which nobody is connected to: many tests do this at once.
        execute(&server, format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .unwrap_or_else(|error| panic!("{SERVER}: no database can be created at {server}: {error}"));
        let url = with_database(&server, &name);
        Some(Self { server, name, url })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Cuts every connection to it, as a failing network or a restarting server does.
    pub(crate) async fn cut_connections(&self) {
        let query = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        execute(&self.server, query).await.expect("connections can be cut");
    }
}

impl Drop for PostgresDb {
    fn drop(&mut self) {
        let (server, query) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // On a thread of its own: a test's runtime cannot be blocked on from within, and may be ending.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&server, query))
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("database {} stays behind: {error}", self.name);
        }
    }
}

async fn execute(server: &str, query: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server).await?;
    connection.execute(AssertSqlSafe(query)).await?;
    connection.close().await
}

/// The server's URL with another database.
fn with_database(server: &str, name: &str) -> String {
    let (address, parameters) = server.split_once('?').map_or((server, None), |(a, p)| (a, Some(p)));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    let parameters = parameters.map_or_else(String::new, |parameters| format!("?{parameters}"));
    format!("{}/{name}{parameters}", &address[..end])
}

#[test]
fn the_database_is_replaced_in_every_form_of_url() {
    for (server, url) in [
        ("postgres://u@h:1/postgres", "postgres://u@h:1/x"),
        ("postgres://u:p@h", "postgres://u:p@h/x"),
        ("postgres:///postgres?host=/run/pg", "postgres:///x?host=/run/pg"),
    ] {
        assert_eq!(with_database(server, "x"), url);
    }
}
