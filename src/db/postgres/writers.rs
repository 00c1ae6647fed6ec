//! The connections that write.
//!
//! Round trips are what is saved. sqlx's pool asks a connection whether it lives each time it is given back; here one
//! comes back only when its transaction ended in order, any other is closed, and one that lay idle is asked before it is
//! used. `BEGIN` goes with the first statement, so a transaction that only appends is its one statement.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    ConnectOptions, Connection, Either, Execute, Executor, PgConnection, Postgres, SqlStr,
    postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    TRUSTED_IDLE,
    batch::{self, Waiting},
    flush, is_cut,
};
use crate::db::{
    DbError,
    append::Appends,
    tx::{AfterCommit, run_hook},
};

/// A bounded number of connections, one transaction on each at a time; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Writers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    connect: PgConnectOptions,
    /// Those that are not in a transaction, the last used one last.
    idle: Mutex<Vec<Idle>>,
    places: Arc<Semaphore>,
    size: u32,
    patience: Duration,
    /// Transactions that only add rows.
    pub(super) waiting: Waiting,
}

#[derive(Debug)]
struct Idle {
    conn: PgConnection,
    since: Instant,
}

impl Writers {
    pub(super) fn new(connect: PgConnectOptions, size: u32, patience: Duration) -> Self {
        let places = Arc::new(Semaphore::new(size as usize));
        Self {
            shared: Arc::new(Shared {
                connect,
                idle: Mutex::default(),
                places,
                size,
                patience,
                waiting: Waiting::default(),
            }),
        }
    }

    /// A connection for a transaction. Nothing is sent yet.
    pub(super) async fn begin(&self) -> Result<PostgresTx, DbError> {
        let since = Instant::now();
        let tx = self.shared.begin().await;
        metrics::histogram!("mintreu_db_wait_seconds").record(since.elapsed());
        tx
    }

    /// Closes all, after what is in a transaction; one that takes longer than a caller would wait is closed when it ends.
    pub(super) async fn close(&self) {
        let all = timeout(self.shared.patience, self.shared.places.acquire_many(self.shared.size)).await;
        self.shared.places.close();
        drop(all);
        while let Some(idle) = self.shared.take() {
            if let Err(error) = idle.conn.close().await {
                tracing::debug!(%error, "closing a connection");
            }
        }
    }
}

impl Shared {
    async fn begin(self: &Arc<Self>) -> Result<PostgresTx, DbError> {
        let place = timeout(self.patience, Arc::clone(&self.places).acquire_owned())
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))?
            .map_err(|_| DbError::from(sqlx::Error::PoolClosed))?;
        let conn = match self.take_alive().await? {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        let conn = TxConn { conn, begun: false, home: Arc::clone(self) };
        Ok(PostgresTx { conn, since: Instant::now(), _place: place })
    }

    /// Writes rows as a transaction by themselves.
    pub(super) async fn write(self: &Arc<Self>, rows: Appends) -> Result<(), DbError> {
        let mut tx = self.begin().await?;
        flush(&mut tx.conn.conn, rows).await?;
        tx.rest();
        Ok(())
    }

    fn take(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// One that was used a moment ago, or that answers.
    async fn take_alive(&self) -> Result<Option<PgConnection>, sqlx::Error> {
        while let Some(Idle { mut conn, since }) = self.take() {
            if since.elapsed() <= TRUSTED_IDLE {
                return Ok(Some(conn));
            }
            match conn.ping().await {
                Ok(()) => return Ok(Some(conn)),
                Err(error) if is_cut(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        timeout(self.patience, self.connect.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    fn give_back(&self, conn: PgConnection) {
        if !self.places.is_closed() {
            let idle = Idle { conn, since: Instant::now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
    }
}

/// A transaction; dropped before its end, its connection is closed and the server rolls it back.
pub(in crate::db) struct PostgresTx {
    conn: TxConn,
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl PostgresTx {
    pub(in crate::db) const fn conn(&mut self) -> &mut TxConn {
        &mut self.conn
    }

    pub(in crate::db) async fn commit(mut self, appends: Appends, hooks: Vec<AfterCommit>) -> Result<(), DbError> {
        metrics::histogram!("mintreu_db_hold_seconds").record(self.since.elapsed());
        if !self.conn.begun && appends.only_add() {
            let shared = Arc::clone(&self.conn.home);
            self.rest();
            return batch::write(shared, appends, hooks).await;
        }
        if !appends.is_empty() {
            // Alone it is a transaction of its own: one statement, one round trip.
            flush(&mut self.conn.conn, appends).await?;
        }
        if self.conn.begun {
            // COMMIT of a transaction in which a statement failed rolls back and reports success; the SELECT before it
            // fails then, in the same message.
            sqlx::raw_sql("SELECT; COMMIT").execute(&mut self.conn.conn).await?;
        }
        self.rest();
        hooks.into_iter().for_each(run_hook);
        Ok(())
    }

    pub(in crate::db) async fn rollback(mut self) -> Result<(), DbError> {
        metrics::histogram!("mintreu_db_hold_seconds").record(self.since.elapsed());
        if self.conn.begun {
            sqlx::raw_sql("ROLLBACK").execute(&mut self.conn.conn).await?;
        }
        self.rest();
        Ok(())
    }

    /// Gives the connection back, in order.
    fn rest(self) {
        let TxConn { conn, home, .. } = self.conn;
        home.give_back(conn);
    }
}

/// A connection whose transaction begins with its first statement: one that only appends needs no `BEGIN`.
pub struct TxConn {
    conn: PgConnection,
    begun: bool,
    home: Arc<Shared>,
}

impl std::fmt::Debug for TxConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxConn").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl TxConn {
    /// Begins. A connection that died unnoticed is replaced: nothing has run on it yet.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        if self.begun {
            return Ok(());
        }
        let begun = sqlx::raw_sql("BEGIN").execute(&mut self.conn).await;
        if begun.as_ref().is_err_and(is_cut) {
            self.conn = self.home.connect().await?;
            sqlx::raw_sql("BEGIN").execute(&mut self.conn).await?;
        } else {
            begun?;
        }
        self.begun = true;
        Ok(())
    }
}

impl<'c> Executor<'c> for &'c mut TxConn {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.begun {
            return self.conn.fetch_many(query);
        }
        stream::once(async move {
            self.begin().await?;
            Ok::<_, sqlx::Error>(self.conn.fetch_many(query))
        })
        .try_flatten()
        .boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            self.begin().await?;
            self.conn.fetch_optional(query).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.conn.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.conn.describe(sql)
    }
}
