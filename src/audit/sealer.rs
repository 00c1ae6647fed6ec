//! The sealer: gives the entries that are not sealed yet their place in the chain.
//!
//! Any number of replicas may run one. The head's row decides: a batch is kept only if the head is still where this
//! sealer read it, so places are given once and without gaps.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    AuditError, Head,
    chain::{Row, row_columns},
    chain_keys,
    seals::{Sealing, unmark},
};
use crate::{
    db::{Db, DbError},
    execute, fetch_all,
    kernel::{
        Time,
        seal::{Keyring, PurposeKeys, to_hex},
    },
};

/// How the sealer works.
#[derive(Debug, Clone, Copy)]
pub struct SealerOptions {
    /// How long it rests when there is nothing to seal.
    pub interval: Duration,
    /// How often it writes the head to the log, if the head moved.
    pub publish: Duration,
}

impl Default for SealerOptions {
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), publish: Duration::from_mins(1) }
    }
}

/// How many entries one seal holds at most.
const BATCH: usize = 1_000;

/// The entries that wait, each looked up by its mark. PostgreSQL takes a plain join for a reason to walk all entries from the
/// first on, to meet those few at the end. A mark whose entry was deleted takes nobody's place.
macro_rules! waiting {
    ($entry:literal) => {
        concat!("SELECT ", row_columns!(), " FROM audit_unsealed AS u CROSS JOIN ", $entry, " ORDER BY u.id LIMIT 1000")
    };
}

const WAITING_SQLITE: &str = waiting!("audit_entries AS e ON e.id = u.id");
const WAITING_POSTGRES: &str = waiting!("LATERAL (SELECT * FROM audit_entries WHERE id = u.id OFFSET 0) AS e");

/// The service that seals; make one per process.
#[derive(Debug)]
pub struct Sealer {
    db: Db,
    keys: PurposeKeys,
    options: SealerOptions,
    /// The farthest head that this process has seen: it never moves back.
    farthest: Head,
    published: (i64, Option<Time>),
}

/// Seals everything that is waiting. Gives the number of entries.
pub async fn seal(db: &Db, keys: &Keyring) -> Result<u64, AuditError> {
    Sealer::new(db.clone(), keys, SealerOptions::default()).seal().await
}

enum Step {
    /// This many are sealed.
    Sealed(usize),
    /// Another sealer was faster.
    Lost,
}

impl Sealer {
    /// A sealer of `db`'s entries.
    #[must_use]
    pub fn new(db: Db, keys: &Keyring, options: SealerOptions) -> Self {
        Self { db, keys: chain_keys(keys), options, farthest: Head::start(), published: (-1, None) }
    }

    /// Seals until `stop`, and once more then. Errors are logged and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            // Asked before sealing: what was appended before the call to stop is sealed after it.
            let last = stop.is_cancelled();
            match self.seal().await {
                Ok(_) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("the audit trail is being sealed again");
                    }
                }
                Err(error) if failing => tracing::debug!(%error, "sealing the audit trail"),
                Err(error) => {
                    failing = true;
                    metrics::counter!("mintreu_audit_seal_failures_total").increment(1);
                    tracing::error!(%error, "the audit trail cannot be sealed; entries wait");
                }
            }
            self.publish(last);
            if last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.options.interval) => {}
            }
        }
    }

    /// Seals everything that is waiting. Gives the number of entries that this sealer sealed.
    pub async fn seal(&mut self) -> Result<u64, AuditError> {
        let mut sealed = 0;
        loop {
            match self.seal_batch().await? {
                Step::Sealed(count) => {
                    sealed += count as u64;
                    if count < BATCH {
                        return Ok(sealed);
                    }
                }
                // The other one goes on with what is left.
                Step::Lost => return Ok(sealed),
            }
        }
    }

    async fn seal_batch(&mut self) -> Result<Step, AuditError> {
        // Read outside the transaction: the guard on the head makes it right, and the writer is held for two statements.
        let head = Head::read(&self.db).await?.ok_or(AuditError::NoHead)?;
        self.watch_head(&head);
        let mut previous = head.chain_mac().ok_or(AuditError::NoHead)?;
        // In the order of ids, which is about the order of events. An entry whose transaction commits late comes later in
        // the chain: nothing is skipped, because what has no place yet is marked so.
        let text = self.db.dialect().pick(WAITING_SQLITE, WAITING_POSTGRES);
        // Planned anew each time: a plan that was made while there were no entries would keep reading all of another index.
        let rows: Vec<Row> = fetch_all!(self.db, sqlx::query_as(text).persistent(false))?;
        let Some(oldest) = rows.iter().map(|row| row.occurred_at).min() else {
            metrics::gauge!("mintreu_audit_unsealed_age_seconds").set(0.0);
            return Ok(Step::Sealed(0));
        };
        metrics::gauge!("mintreu_audit_unsealed_age_seconds").set(self.db.now().since(oldest).as_secs_f64());
        let (key_id, key) = self.keys.current();
        let mut sealing = Sealing::default();
        let mut next = head.sequence;
        for row in &rows {
            next += 1;
            previous = row.link(key, &previous, next);
            sealing.push(row.id, &previous);
        }
        let new = Head { sequence: next, mac: to_hex(&previous) };
        if !self.keep(&head, &new, &key_id.to_string(), &sealing).await? {
            return Ok(Step::Lost);
        }
        metrics::counter!("mintreu_audit_sealed_total").increment(rows.len() as u64);
        self.watch_head(&new);
        Ok(Step::Sealed(rows.len()))
    }

    /// Moves the head and writes the seal, or neither if the head is no longer `old`.
    async fn keep(&self, old: &Head, new: &Head, key_id: &str, sealing: &Sealing) -> Result<bool, AuditError> {
        let ids = sealing.ids();
        let result = self
            .db
            .write(async |tx| {
                let guarded = "UPDATE audit_head SET seq = $1, mac = $2 WHERE id = 1 AND seq = $3 AND mac = $4";
                let moved = execute!(
                    tx,
                    sqlx::query(guarded).bind(new.sequence).bind(&new.mac).bind(old.sequence).bind(&old.mac)
                )?;
                if moved == 0 {
                    return Err(Unkept::Lost);
                }
                let unmark = unmark(tx.dialect());
                let unmarked = execute!(tx, sqlx::query(unmark).bind(&ids))?;
                let missing = (sealing.count() as u64).saturating_sub(unmarked);
                if missing > 0 {
                    return Err(Unkept::Vanished { missing });
                }
                let now = tx.now();
                sealing.write(tx, (new.sequence, &new.mac), key_id, now);
                Ok(())
            })
            .await;
        match result {
            Ok(()) => Ok(true),
            Err(Unkept::Lost) => Ok(false),
            Err(Unkept::Vanished { missing }) => Err(AuditError::Vanished { missing }),
            Err(Unkept::Db(error)) => Err(error.into()),
        }
    }

    /// A chain that was cut together with its head verifies; only who remembers a farther head can tell.
    fn watch_head(&mut self, head: &Head) {
        if head.sequence < self.farthest.sequence {
            metrics::counter!("mintreu_audit_head_regressions_total").increment(1);
            tracing::error!(seen = %self.farthest, now = %head, "the audit trail was cut, or restored from a backup");
        }
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 entries")]
        metrics::gauge!("mintreu_audit_head_sequence").set(head.sequence as f64);
        self.farthest = head.clone();
    }

    fn publish(&mut self, last: bool) {
        let now = self.db.now();
        let due = last || self.published.1.is_none_or(|at| now < at || now.since(at) >= self.options.publish);
        if due && self.published.0 != self.farthest.sequence {
            tracing::info!(head = %self.farthest, "audit head");
            self.published = (self.farthest.sequence, Some(now));
        }
    }
}

enum Unkept {
    Lost,
    Vanished { missing: u64 },
    Db(DbError),
}

impl From<DbError> for Unkept {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}
