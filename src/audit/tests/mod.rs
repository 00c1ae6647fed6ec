pub(crate) mod scratch;

mod reading;
mod sealing;
mod tampering;

use serde_json::json;

use super::*;
use crate::db::Db;

/// Appends `count` entries, each in a transaction of its own.
async fn append(db: &Db, count: u32) {
    for n in 0..count {
        db.write(async |tx| {
            let entry = Entry::new(Actor::operator("usr_ada"), "flag.changed", "flag", format!("flag-{n}"))
                .change(json!({"enabled": false}), json!({"enabled": true}))
                .reason("because \"quotes\" and \u{1f511}")
                .request("req_1".to_owned());
            tx.audit(entry);
            Ok::<_, DbError>(())
        })
        .await
        .expect("appended");
    }
}

/// Appends and seals `count` entries.
async fn sealed(db: &Db, keys: &Keyring, count: u32) {
    append(db, count).await;
    assert_eq!(seal(db, keys).await.expect("sealed"), u64::from(count));
}

async fn problem(db: &Db, keys: &Keyring) -> Option<Problem> {
    verify(db, keys, None).await.expect("verifies").problem
}
