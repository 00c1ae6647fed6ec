//! PostgreSQL: connections that read, connections that write, and messages between processes.

mod batch;
mod writers;

use std::{fmt::Write, str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

pub(super) use writers::PostgresTx;
pub use writers::TxConn;
use writers::Writers;

use super::{DbError, DbOptions, Dialect, OpenError, append::Appends, redact};

/// A connection that lay idle for longer is pinged before it is handed out, so that a restarted server is noticed.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Two connections listen for messages; somebody must be able to read beside them.
const MIN_READERS: u32 = 4;

#[derive(Debug, Clone)]
pub(super) struct PostgresDb {
    readers: PgPool,
    writers: Writers,
}

impl PostgresDb {
    pub(super) async fn open(options: &DbOptions) -> Result<Self, OpenError> {
        let failed = |error: sqlx::Error| OpenError::Connect { url: redact(&options.url), error: error.into() };
        let connect = PgConnectOptions::from_str(&options.url)
            .map_err(failed)?
            .application_name("mintreu")
            .statement_cache_capacity(512)
            // A process that stalls in a transaction must not keep its locks for ever.
            .options([("idle_in_transaction_session_timeout", "30s"), ("timezone", "UTC"), ("jit", "off")])
            // A plan is kept as long as its connection: one that was made while a table was small would go on reading all of
            // it when it is large, also in the order of its keys, to meet a few rows at their end.
            .options([("enable_seqscan", "off"), ("enable_mergejoin", "off")])
            .disable_statement_logging();
        let writing = (options.max_connections * 3 / 4).max(1);
        let readers = PgPoolOptions::new()
            .max_connections(options.max_connections.saturating_sub(writing).max(MIN_READERS))
            .acquire_timeout(options.patience)
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        sqlx::Connection::ping(conn).await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(connect.clone())
            .await
            .map_err(failed)?;
        // Transactions look rows up by key: nothing is joined by reading all of it, be it by its index, and a row is found the
        // same way whatever its key is, so that a plan for each value would only cost its making.
        let by_key = [("enable_hashjoin", "off"), ("plan_cache_mode", "force_generic_plan")];
        let connect = connect.options(by_key);
        Ok(Self { readers, writers: Writers::new(connect, writing, options.patience) })
    }

    pub(super) const fn readers(&self) -> &PgPool {
        &self.readers
    }

    pub(super) async fn begin(&self) -> Result<PostgresTx, DbError> {
        self.writers.begin().await
    }

    /// One answer from the server, whatever became of the connections that it ended.
    pub(super) async fn ping(&self) -> Result<(), DbError> {
        let mut stale = 0;
        loop {
            match sqlx::query("SELECT 1").execute(&self.readers).await {
                Ok(_) => return Ok(()),
                Err(error) if is_cut(&error) && stale < self.readers.options().get_max_connections() => stale += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
    }

    pub(super) async fn listen(&self, channel: &str, mut handle: impl FnMut(&str)) -> Result<(), DbError> {
        let mut listener = PgListener::connect_with(&self.readers).await?;
        listener.listen(channel).await?;
        // `None` is a lost connection: messages may have been missed.
        while let Some(message) = listener.try_recv().await? {
            handle(message.payload());
        }
        Ok(())
    }

    pub(super) async fn notify(&self, channel: &str, payload: &str) -> Result<(), DbError> {
        sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(payload).execute(&self.readers).await?;
        Ok(())
    }
}

/// Whether the server, or the way to it, ended the connection.
fn is_cut(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // What a server that ends a session leaves in the socket: admin_shutdown, crash_shutdown, idle_session_timeout.
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P05")),
        _ => false,
    }
}

/// Writes all appended rows in one statement, one round trip whatever the number of tables.
async fn flush(conn: &mut PgConnection, mut appends: Appends) -> Result<(), DbError> {
    let batches = appends.take();
    let named = |index: usize| format!("append_{index}");
    let proofs: Vec<_> = batches
        .iter()
        .enumerate()
        .filter_map(|(index, (table, _))| table.proof(Dialect::Postgres, index + 1, &named(index)))
        .collect();
    // The last one stands alone, unless something has to be said of them all.
    let alone = if proofs.is_empty() { batches.len().saturating_sub(1) } else { batches.len() };
    let mut statement = String::new();
    for (index, (table, _)) in batches.iter().enumerate() {
        let text = table.statement(Dialect::Postgres, index + 1);
        if index == alone {
            statement.push_str(&text);
        } else {
            let lead = if index == 0 { "WITH" } else { "," };
            let end = if proofs.is_empty() { "" } else { " RETURNING 1" };
            let gap = if index + 1 == alone { " " } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(statement, "{lead} {} AS ({text}{end}){gap}", named(index));
        }
    }
    if !proofs.is_empty() {
        let _ = write!(statement, "SELECT {}", proofs.join(", "));
    }
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for (_, rows) in batches {
        query = query.bind(rows);
    }
    match query.execute(conn).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DIVISION_BY_ZERO) => {
            Err(DbError::Aborted("a row to be changed was not as this transaction believed".to_owned()))
        }
        done => done.map(|_| ()).map_err(DbError::from),
    }
}

/// What a proof that fails divides by.
const DIVISION_BY_ZERO: &str = "22012";
