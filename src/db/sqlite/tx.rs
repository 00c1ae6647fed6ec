//! A transaction, as its statements see it: it takes the writer with the first of them.

use futures::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Either, Execute, Executor, SqlStr, Sqlite,
    sqlite::{SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo},
};

use super::{conn::GroupConn, group::Writer, turn::Turn};
use crate::db::{
    DbError,
    append::Appends,
    tx::{AfterCommit, run_hook},
};

/// A transaction; dropped before its end, by a cancelled caller or a panic, it is rolled back.
pub struct SqliteTx {
    writer: Writer,
    /// From its first statement to its end.
    turn: Option<Turn>,
}

impl std::fmt::Debug for SqliteTx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteTx").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl SqliteTx {
    pub(super) const fn new(writer: Writer) -> Self {
        Self { writer, turn: None }
    }

    /// The writer's connection, which is waited for with the first statement.
    async fn conn(&mut self) -> Result<&mut GroupConn, sqlx::Error> {
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.writer.turn().await?,
        };
        self.turn.insert(turn).conn().ok_or(sqlx::Error::PoolClosed)
    }

    pub(in crate::db) async fn commit(mut self, rows: Appends, hooks: Vec<AfterCommit>) -> Result<(), DbError> {
        let began = self.turn.as_mut().and_then(Turn::conn).is_some_and(|conn| conn.member_began());
        match self.turn.take() {
            Some(turn) if began || !rows.is_empty() => return turn.keep(rows, hooks).await,
            None if !rows.is_empty() => return self.writer.arrive(rows, hooks).await,
            Some(turn) => turn.end(),
            None => {}
        }
        hooks.into_iter().for_each(run_hook);
        Ok(())
    }

    pub(in crate::db) async fn rollback(mut self) -> Result<(), DbError> {
        let began = self.turn.as_mut().and_then(Turn::conn).is_some_and(|conn| conn.member_began());
        match self.turn.take() {
            Some(turn) if began => turn.undo().await,
            Some(turn) => {
                turn.end();
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            turn.abandon();
        }
    }
}

impl<'c> Executor<'c> for &'c mut SqliteTx {
    type Database = Sqlite;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        stream::once(async move { Ok::<_, sqlx::Error>(self.conn().await?.fetch_many(query)) }).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        Box::pin(async move { self.conn().await?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.conn().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Sqlite>, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(async move { self.conn().await?.describe(sql).await })
    }
}
