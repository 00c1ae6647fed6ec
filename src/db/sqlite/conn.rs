//! The writer's connection, as the members of a commit group see it.
//!
//! Every call to SQLite is a hop to the connection's thread and back, whatever it does, so calls are what is saved: the
//! statements that end the previous member and begin this one travel in front of this one's first statement.

use std::borrow::Cow;

use futures::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    AssertSqlSafe, Either, Execute, Executor, SqlSafeStr, Sqlite, SqliteConnection,
    sqlite::{SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo},
};

use super::super::{DbError, error::sqlite_primary_code};

/// The savepoint that guards one member's statements. Two names take turns, so that a member whose first call never
/// arrived cannot roll back its neighbour's: its own savepoint does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    Even,
    Odd,
}

impl Savepoint {
    const fn other(self) -> Self {
        match self {
            Self::Even => Self::Odd,
            Self::Odd => Self::Even,
        }
    }

    const fn release(self) -> &'static str {
        match self {
            Self::Even => "RELEASE member_even",
            Self::Odd => "RELEASE member_odd",
        }
    }
}

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction is open.
    Idle,
    /// In a transaction; no savepoint is open.
    Open,
    /// In a transaction; the last member's savepoint is still open, its work kept.
    Between(Savepoint),
    /// In a transaction; a member has begun under this savepoint. Whether the transaction began with it.
    Member(Savepoint, First),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Yes,
    No,
}

/// The connection of the writer; an executor for the statements of one transaction.
pub(super) struct GroupConn {
    conn: SqliteConnection,
    state: State,
    /// What begins the member is on its way: whether it arrived is not known until it is answered.
    beginning: bool,
    /// Set by an error that may have ended the SQLite transaction: nothing more may run in it.
    broken: Option<DbError>,
}

impl std::fmt::Debug for GroupConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupConn").field("state", &self.state).field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl GroupConn {
    pub(super) const fn new(conn: SqliteConnection) -> Self {
        Self { conn, state: State::Idle, beginning: false, broken: None }
    }

    pub(super) fn into_inner(self) -> SqliteConnection {
        self.conn
    }

    pub(super) const fn broken(&self) -> Option<&DbError> {
        self.broken.as_ref()
    }

    /// Whether this member has run a statement.
    pub(super) const fn member_began(&self) -> bool {
        matches!(self.state, State::Member(..))
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        self.state != State::Idle
    }

    /// Keeps the member's work; the next one, or the commit, releases its savepoint.
    pub(super) fn keep_member(&mut self) {
        self.must_have_begun();
        if let State::Member(savepoint, _) = self.state {
            self.state = State::Between(savepoint);
        }
    }

    /// A member that gave up its first statement may have no savepoint, or no transaction: it cannot go on.
    fn must_have_begun(&mut self) {
        if std::mem::take(&mut self.beginning) && self.broken.is_none() {
            self.broken =
                Some(DbError::Aborted("a transaction went on after it had given up its first statement".into()));
        }
    }

    /// Undoes the member's work and nothing else.
    pub(super) async fn undo_member(&mut self) {
        self.beginning = false;
        let State::Member(savepoint, first) = self.state else { return };
        if self.broken.is_some() {
            // There is nothing left to undo, and the error that ended it is the one to tell.
            self.state = State::Between(savepoint);
            return;
        }
        let statement = match savepoint {
            Savepoint::Even => "ROLLBACK TO member_even",
            Savepoint::Odd => "ROLLBACK TO member_odd",
        };
        self.state = State::Between(savepoint);
        match self.run(statement).await {
            Ok(()) => {}
            Err(error) if is_refused(&error) => self.do_without(savepoint, first, error).await,
            Err(error) => self.broken = Some(error.into()),
        }
    }

    /// The member's savepoint is not there. Either the call that should open it was cut off before it did, with a caller
    /// that was cancelled: then nothing of the member has run. Or the transaction has ended under it.
    async fn do_without(&mut self, savepoint: Savepoint, first: First, missing: sqlx::Error) {
        let ended = match self.run("BEGIN").await {
            Ok(()) => self.run("ROLLBACK").await.map(|()| true),
            // There is one already.
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(error),
        };
        let left = match (ended, first) {
            (Ok(true), First::Yes) => {
                self.state = State::Idle;
                return;
            }
            (Ok(true), First::No) => Err(missing),
            // The neighbour's may be open or not; none of its name may be met by a later member.
            (Ok(false), _) => match self.run(savepoint.other().release()).await {
                Err(error) if !is_refused(&error) => Err(error),
                _ => Ok(()),
            },
            (Err(error), _) => Err(error),
        };
        match left {
            Ok(()) => self.state = State::Open,
            Err(error) => self.broken = Some(error.into()),
        }
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut self.conn).await.map(|_| ())
    }

    /// Runs `inserts` and commits everything kept so far.
    pub(super) async fn commit(&mut self, inserts: Vec<(Cow<'_, str>, String)>) -> Result<(), DbError> {
        let mut statement = String::new();
        if self.state == State::Idle {
            if inserts.is_empty() {
                return Ok(());
            }
            statement.push_str("BEGIN IMMEDIATE; ");
        }
        for (insert, _) in &inserts {
            statement.push_str(insert);
            statement.push_str("; ");
        }
        // COMMIT releases every open savepoint.
        statement.push_str("COMMIT");
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (_, rows) in inserts {
            query = query.bind(rows);
        }
        self.state = State::Idle;
        if let Err(error) = query.execute(&mut self.conn).await {
            let error = DbError::from(error);
            self.broken = Some(error.clone());
            return Err(error);
        }
        Ok(())
    }

    /// Begins the member if this is its first statement: what must run before it, and how many results that yields.
    fn prefix(&mut self) -> (&'static str, usize) {
        match self.state {
            State::Member(..) => ("", 0),
            State::Idle => {
                self.state = State::Member(Savepoint::Even, First::Yes);
                ("BEGIN IMMEDIATE; SAVEPOINT member_even; ", 2)
            }
            State::Open => {
                self.state = State::Member(Savepoint::Even, First::No);
                ("SAVEPOINT member_even; ", 1)
            }
            State::Between(last) => {
                self.state = State::Member(last.other(), First::No);
                match last {
                    Savepoint::Even => ("RELEASE member_even; SAVEPOINT member_odd; ", 2),
                    Savepoint::Odd => ("RELEASE member_odd; SAVEPOINT member_even; ", 2),
                }
            }
        }
    }
}

/// Whether SQLite refused a statement and did nothing (`SQLITE_ERROR`).
fn is_refused(error: &sqlx::Error) -> bool {
    sqlite_primary_code(error) == Some(1)
}

/// Notes an error that no rollback to a savepoint can mend.
fn note(broken: &mut Option<DbError>, error: &sqlx::Error, in_prefix: bool) {
    if broken.is_some() || !(in_prefix || ends_the_transaction(error)) {
        return;
    }
    let message = error.to_string();
    *broken = Some(match sqlite_primary_code(error) {
        Some(13) => DbError::Full(message),
        Some(5 | 6) => DbError::Busy(message),
        _ => DbError::Unavailable(message),
    });
}

/// What a statement gets that is run in a transaction which has ended.
fn refusal(error: &DbError) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(error.to_string()))
}

/// Whether SQLite may have rolled the whole transaction back: everything but the errors that undo one statement.
fn ends_the_transaction(error: &sqlx::Error) -> bool {
    match error {
        // ERROR, TOOBIG, CONSTRAINT, MISMATCH and RANGE undo the statement alone.
        sqlx::Error::Database(_) => !matches!(sqlite_primary_code(error), Some(1 | 18 | 19 | 20 | 25)),
        // Met while binding, before the statement ran.
        sqlx::Error::Encode(_) => false,
        _ => true,
    }
}

impl<'c> Executor<'c> for &'c mut GroupConn {
    type Database = Sqlite;

    fn fetch_many<'e, 'q, E>(
        self,
        mut query: E,
    ) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        self.must_have_begun();
        if let Some(error) = &self.broken {
            return stream::iter([Err(refusal(error))]).boxed();
        }
        let arguments = match query.take_arguments() {
            Ok(arguments) => arguments.unwrap_or_default(),
            Err(error) => return stream::iter([Err(sqlx::Error::Encode(error))]).boxed(),
        };
        let persistent = query.persistent();
        let (prefix, mut skip) = self.prefix();
        let sql = if prefix.is_empty() {
            query.sql()
        } else {
            AssertSqlSafe(format!("{prefix}{}", query.sql().as_str())).into_sql_str()
        };
        self.beginning = skip > 0;
        let (broken, beginning) = (&mut self.broken, &mut self.beginning);
        self.conn
            .fetch_many(sqlx::query_with(sql, arguments).persistent(persistent))
            .filter_map(move |step| {
                std::future::ready(match step {
                    // The prefix's own results are nobody's business.
                    Ok(Either::Left(_)) if skip > 0 => {
                        skip -= 1;
                        *beginning = skip > 0;
                        None
                    }
                    Err(error) => {
                        note(broken, &error, skip > 0);
                        Some(Err(error))
                    }
                    other => Some(other),
                })
            })
            .boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let mut results = self.fetch_many(query);
        Box::pin(async move {
            // Read to the end: a statement that is dropped half-way would be reset, not finished.
            let mut first = None;
            while let Some(step) = results.try_next().await? {
                if let (Either::Right(row), None) = (step, &first) {
                    first = Some(row);
                }
            }
            Ok(first)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: sqlx::SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.conn.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: sqlx::SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Sqlite>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.conn.describe(sql)
    }
}
