//! The counts of uses, and giving one back.

use std::collections::HashMap;

use super::{
    DownloadStatus, GrantId,
    gate::Serving,
    log::{self, End},
};
use crate::{
    db::{DbError, Tx},
    execute,
    kernel::ProductId,
};

/// Writes how often links were used, and how often downloads were continued. The rows are held by this transaction.
pub(super) async fn count_uses(tx: &mut Tx, used: &HashMap<GrantId, (i64, i64)>) -> Result<(), DbError> {
    if used.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = used.iter().map(|(id, (uses, more))| (id.uuid().simple().to_string(), uses, more)).collect();
    let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    // The rows are held since they were read.
    let statement = tx.dialect().pick(
        "UPDATE download_grants SET uses = r.used, continuations = r.more
         FROM (SELECT unhex(value->>0) AS grant_id, value->>1 AS used, value->>2 AS more FROM json_each($1)) r
         WHERE id = r.grant_id",
        "UPDATE download_grants SET uses = r.used, continuations = r.more
         FROM (SELECT (value->>0)::uuid AS grant_id, (value->>1)::bigint AS used, (value->>2)::bigint AS more
               FROM jsonb_array_elements($1::jsonb)) r
         WHERE id = r.grant_id",
    );
    execute!(tx, sqlx::query(statement).bind(rows))?;
    Ok(())
}

/// Adds to how often products were downloaded.
pub(super) async fn count_downloads(tx: &mut Tx, begun: &HashMap<ProductId, i64>) -> Result<(), DbError> {
    let rows: Vec<_> =
        begun.iter().filter(|(_, count)| **count > 0).map(|(id, n)| (id.uuid().simple().to_string(), n)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let statement = tx.dialect().pick(
        "UPDATE products SET downloads = downloads + r.more
         FROM (SELECT unhex(value->>0) AS product, value->>1 AS more FROM json_each($1)) r WHERE id = r.product",
        "UPDATE products SET downloads = downloads + r.more
         FROM (SELECT (value->>0)::uuid AS product, (value->>1)::bigint AS more
               FROM jsonb_array_elements($1::jsonb)) r
         WHERE id = r.product",
    );
    execute!(tx, sqlx::query(statement).bind(rows))?;
    Ok(())
}

/// Takes a use back of which nothing came: the file could not be opened.
pub(super) async fn give_back(tx: &mut Tx, serving: &Serving, why: &str) -> Result<(), DbError> {
    let grants = if serving.begins {
        "UPDATE download_grants SET uses = uses - 1 WHERE id = $1 AND uses > 0"
    } else {
        "UPDATE download_grants SET continuations = continuations - 1 WHERE id = $1 AND continuations > 0"
    };
    execute!(tx, sqlx::query(grants).bind(serving.grant))?;
    if serving.begins {
        let statement = "UPDATE products SET downloads = downloads - 1 WHERE id = $1 AND downloads > 0";
        execute!(tx, sqlx::query(statement).bind(serving.product))?;
    }
    let ends = serving.attempt.map(|attempt| End {
        attempt,
        status: DownloadStatus::Failed,
        reason: Some(why.to_owned()),
        sent: 0,
    });
    log::count(DownloadStatus::Failed);
    log::end(tx, ends.as_slice()).await
}
