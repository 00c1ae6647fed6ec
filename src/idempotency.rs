//! Answers kept for requests that may come again.
//!
//! Promise: under one key a request's work is done once. Its answer is kept, sealed, in the transaction of the work
//! itself: a crash leaves both or neither, so there is nothing in between to resume.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use sqlx::FromRow;

use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    kernel::seal::{self, Keyring, SealError},
};

/// A request that says how to recognise it.
#[derive(Debug)]
pub struct Request {
    /// Caller and route: keys of others mean nothing here.
    pub scope: String,
    /// What the client chose.
    pub key: String,
    /// Of the body.
    fingerprint: String,
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why an answer cannot be given again.
#[derive(Debug, thiserror::Error)]
pub enum RecallError {
    /// The key was used for another body.
    #[error("this Idempotency-Key was used for another request; use a new key for each")]
    OtherRequest,
    /// The installation's keys do not open the answer.
    #[error("the kept answer cannot be opened: {0}")]
    Sealed(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Row {
    fingerprint: String,
    status: i64,
    response: String,
}

impl Request {
    /// A request with this body.
    #[must_use]
    pub fn new(scope: String, key: String, body: &[u8]) -> Self {
        Self { scope, key, fingerprint: seal::to_hex(&seal::hmac_sha256(b"idempotent body", body)) }
    }

    fn context(&self) -> String {
        format!("idempotency_keys.response {} {}", self.scope, self.key)
    }

    /// The answer that was given before, if one was.
    pub async fn recall(&self, db: &Db, keys: &Keyring) -> Result<Option<Answer>, RecallError> {
        let row: Option<Row> = fetch_optional!(
            db,
            sqlx::query_as(
                "SELECT fingerprint, status, response FROM idempotency_keys WHERE scope = $1 AND idempotency_key = $2"
            )
            .bind(&self.scope)
            .bind(&self.key)
        )?;
        let Some(row) = row else { return Ok(None) };
        // It may be given again before the first caller has it.
        db.settled().await?;
        if row.fingerprint != self.fingerprint {
            return Err(RecallError::OtherRequest);
        }
        let sealed = BASE64.decode(row.response).map_err(|_| SealError::Format)?;
        let body = keys.open(&self.context(), &sealed)?;
        Ok(Some(Answer { status: u16::try_from(row.status).unwrap_or(200), body }))
    }

    /// Keeps the answer with the work. False if another request with this key was first: the work must be rolled back.
    pub async fn keep(&self, tx: &mut Tx, keys: &Keyring, answer: &Answer) -> Result<bool, RecallError> {
        let sealed = BASE64.encode(keys.seal(&self.context(), &answer.body)?);
        let now = tx.now();
        let kept = execute!(
            tx,
            sqlx::query(
                "INSERT INTO idempotency_keys (scope, idempotency_key, fingerprint, status, response, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, idempotency_key) DO NOTHING"
            )
            .bind(&self.scope)
            .bind(&self.key)
            .bind(&self.fingerprint)
            .bind(i64::from(answer.status))
            .bind(sealed)
            .bind(now)
        )?;
        Ok(kept == 1)
    }
}

/// How many rows one transaction deletes, so that it never holds others up for long.
const BATCH: i64 = 1000;

/// Forgets answers that were given longer ago than `kept`. Says how many.
pub async fn purge(db: &Db, kept: Duration) -> Result<u64, DbError> {
    let before = db.now() - kept;
    let mut deleted = 0;
    loop {
        let batch = db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "DELETE FROM idempotency_keys WHERE (scope, idempotency_key) IN
                            (SELECT scope, idempotency_key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)"
                    )
                    .bind(before)
                    .bind(BATCH)
                )
            })
            .await?;
        deleted += batch;
        if batch < BATCH.unsigned_abs() {
            return Ok(deleted);
        }
    }
}
