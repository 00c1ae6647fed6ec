//! The schema: one list of migrations, written for each database, with the same names and the same tables.

use sqlx::migrate::{MigrateError, Migrator};

use super::{Db, DbError, Dialect, Engine};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How the database's schema stands to the one that this program knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "schema")]
pub enum SchemaState {
    /// The same.
    Current {
        /// The newest migration.
        version: i64,
    },
    /// Migrations are waiting to be run.
    Pending {
        /// Their versions.
        versions: Vec<i64>,
    },
    /// A newer program has migrated it: this one must not touch it.
    Newer {
        /// The newest version in the database.
        version: i64,
    },
    /// A migration was changed after it had run.
    Altered {
        /// Its version.
        version: i64,
    },
}

/// Why the schema cannot be migrated.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program has migrated it.
    #[error("the database is at version {version}, newer than this program knows; start the newer program")]
    Newer {
        /// The newest version in the database.
        version: i64,
    },
    /// A migration was changed after it had run.
    #[error("migration {version} in the database differs from this program's; restore the program that ran it")]
    Altered {
        /// Its version.
        version: i64,
    },
    /// A migration failed and was rolled back.
    #[error("a migration failed: {0}")]
    Failed(#[from] MigrateError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Db {
    /// Compares the database's schema with the one that this program knows.
    pub async fn schema_state(&self) -> Result<SchemaState, DbError> {
        let (migrator, exists) = match self.dialect() {
            Dialect::Sqlite => (&SQLITE, "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"),
            Dialect::Postgres => {
                (&POSTGRES, "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')")
            }
        };
        let exists: i64 = crate::on!(self, c => sqlx::query_scalar(exists).fetch_one(c).await)?;
        let applied: Vec<(i64, Vec<u8>)> = if exists == 0 {
            Vec::new()
        } else {
            crate::on!(self, c => sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
                .fetch_all(c)
                .await)?
        };
        for (version, checksum) in &applied {
            match migrator.iter().find(|migration| migration.version == *version) {
                None => return Ok(SchemaState::Newer { version: *version }),
                Some(known) if *known.checksum != **checksum => return Ok(SchemaState::Altered { version: *version }),
                Some(_) => {}
            }
        }
        let versions: Vec<i64> = migrator
            .iter()
            .map(|migration| migration.version)
            .filter(|version| applied.iter().all(|(done, _)| done != version))
            .collect();
        Ok(if versions.is_empty() {
            SchemaState::Current { version: applied.last().map_or(0, |(version, _)| *version) }
        } else {
            SchemaState::Pending { versions }
        })
    }

    /// Brings the schema up to date; each migration runs in a transaction of its own. Returns the versions that were
    /// missing.
    pub async fn migrate(&self) -> Result<Vec<i64>, SchemaError> {
        let missing = self.pending().await?;
        let mut pending = missing.clone();
        while !pending.is_empty() {
            let run = match &self.engine {
                Engine::Sqlite(db) => SQLITE.run(&mut db.ordinary_connection().await?).await,
                Engine::Postgres(db) => POSTGRES.run(db.readers()).await,
            };
            let left = self.pending().await?;
            match run {
                // On SQLite no lock spans the migrations, so another process may have run the one that failed here.
                Err(_) if left.len() < pending.len() => pending = left,
                Err(error) => return Err(error.into()),
                Ok(()) => break,
            }
        }
        Ok(missing)
    }

    async fn pending(&self) -> Result<Vec<i64>, SchemaError> {
        match self.schema_state().await? {
            SchemaState::Current { .. } => Ok(Vec::new()),
            SchemaState::Pending { versions } => Ok(versions),
            SchemaState::Newer { version } => Err(SchemaError::Newer { version }),
            SchemaState::Altered { version } => Err(SchemaError::Altered { version }),
        }
    }
}
