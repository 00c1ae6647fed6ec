use std::{sync::Arc, time::Instant};

use super::{scratch::keyring, *};
use crate::kernel::ManualClock;

async fn rates(db: Db, _: Arc<ManualClock>) {
    const ENTRIES: u32 = 20_000;
    let keys = keyring(&[1]);
    db.write(async |tx| {
        for n in 0..ENTRIES {
            let entry = Entry::new(Actor::provider("stripe"), "payment.received", "payment", n.to_string());
            tx.audit(entry.change(None, json!({"amount": 1999, "currency": "USD", "state": "paid"})));
        }
        Ok::<_, DbError>(())
    })
    .await
    .expect("appended");
    let began = Instant::now();
    seal(&db, &keys).await.expect("sealed");
    println!("{:?}: sealed {:.0} entries/s", db.dialect(), f64::from(ENTRIES) / began.elapsed().as_secs_f64());
    let began = Instant::now();
    assert!(verify(&db, &keys, None).await.expect("verifies").is_whole());
    println!("{:?}: verified {:.0} entries/s", db.dialect(), f64::from(ENTRIES) / began.elapsed().as_secs_f64());
}

/// Prints what the sealer and the verification get through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it alone, optimised, with --nocapture"]
async fn how_fast_entries_are_sealed_and_verified() {
    scratch::sqlite(rates).await;
    scratch::postgres(rates).await;
}
