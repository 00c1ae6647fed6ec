//! The connections that write.
//!
//! sqlx's pool asks a connection whether it lives each time it is given back: a fifth round trip for a transaction of
//! four. Here a connection comes back only when its transaction ended in order, any other is closed, and one that lay
//! idle is asked before it is used.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{TRUSTED_IDLE, flush, is_cut};
use crate::db::{DbError, append::Appends};

/// A bounded number of connections, one transaction on each at a time; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Writers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connect: PgConnectOptions,
    /// Those that are not in a transaction, the last used one last.
    idle: Mutex<Vec<Idle>>,
    places: Arc<Semaphore>,
    size: u32,
    patience: Duration,
}

#[derive(Debug)]
struct Idle {
    conn: PgConnection,
    since: Instant,
}

impl Writers {
    pub(super) fn new(connect: PgConnectOptions, size: u32, patience: Duration) -> Self {
        let places = Arc::new(Semaphore::new(size as usize));
        Self { shared: Arc::new(Shared { connect, idle: Mutex::default(), places, size, patience }) }
    }

    /// Begins a transaction. A connection that died unnoticed is replaced: nothing has run on it yet.
    pub(super) async fn begin(&self) -> Result<PostgresTx, DbError> {
        let place = timeout(self.shared.patience, Arc::clone(&self.shared.places).acquire_owned())
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))?
            .map_err(|_| DbError::from(sqlx::Error::PoolClosed))?;
        while let Some(idle) = self.shared.take() {
            match begin_on(idle).await {
                Ok(conn) => return Ok(PostgresTx { conn, home: Arc::clone(&self.shared), _place: place }),
                Err(error) if is_cut(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let conn = timeout(self.shared.patience, self.shared.connect.connect())
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))??;
        let conn = begin_on(Idle { conn, since: Instant::now() }).await?;
        Ok(PostgresTx { conn, home: Arc::clone(&self.shared), _place: place })
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
    fn take(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, conn: PgConnection) {
        if !self.places.is_closed() {
            let idle = Idle { conn, since: Instant::now() };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
    }
}

async fn begin_on(Idle { mut conn, since }: Idle) -> Result<PgConnection, sqlx::Error> {
    if since.elapsed() > TRUSTED_IDLE {
        conn.ping().await?;
    }
    sqlx::raw_sql("BEGIN").execute(&mut conn).await?;
    Ok(conn)
}

/// A transaction; dropped before its end, its connection is closed and the server rolls it back.
pub(in crate::db) struct PostgresTx {
    conn: PgConnection,
    home: Arc<Shared>,
    _place: OwnedSemaphorePermit,
}

impl PostgresTx {
    pub(in crate::db) const fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    pub(in crate::db) async fn commit(mut self, mut appends: Appends) -> Result<(), DbError> {
        if !appends.is_empty() {
            flush(&mut self.conn, &mut appends).await?;
        }
        // COMMIT of a transaction in which a statement failed rolls back and reports success; the SELECT before it
        // fails then, in the same message.
        sqlx::raw_sql("SELECT; COMMIT").execute(&mut self.conn).await?;
        self.home.give_back(self.conn);
        Ok(())
    }

    pub(in crate::db) async fn rollback(mut self) -> Result<(), DbError> {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await?;
        self.home.give_back(self.conn);
        Ok(())
    }
}
