//! The books prove themselves: whatever somebody with the database's own password takes out of them is told.

use mintreu::{
    db::{Db, DbError},
    execute,
    payments::ledger::{self, TransactionRow},
};

use crate::support::{Sells, TestDb, Till};

async fn tampered(db: &Db, text: &'static str) {
    let done: Result<u64, DbError> = db.write(async |tx| execute!(tx, sqlx::query(text))).await;
    done.expect(text);
}

async fn paid(test: &TestDb) -> Till {
    let till = Till::open(test).await;
    let lamp = till.sell("lamp", Sells::default()).await;
    let buyer = till.buyer("a@example.com").await;
    for _ in 0..2 {
        let order = till.order(&buyer, std::slice::from_ref(&lamp)).await;
        till.pay(&order).await;
    }
    till.assert_sound().await;
    till
}

async fn faults(db: &Db) -> Vec<String> {
    ledger::verify(db).await.expect("answers").iter().map(TransactionRow::fault).collect()
}

on_both!(a_transaction_that_was_taken_out_is_missed_by_its_entries, |test: TestDb| async move {
    let till = paid(&test).await;
    tampered(
        &till.db,
        "DELETE FROM ledger_transactions WHERE id = (SELECT id FROM ledger_transactions ORDER BY id LIMIT 1)",
    )
    .await;
    assert_eq!(faults(&till.db).await, ["is not there, its entries are"]);
});

on_both!(entries_that_were_taken_out_are_missed_by_their_transaction, |test: TestDb| async move {
    let till = paid(&test).await;
    let lock = till.db.dialect().pick(
        "DROP TRIGGER ledger_entries_are_never_deleted",
        "DROP TRIGGER ledger_entries_are_never_changed ON ledger_entries",
    );
    tampered(&till.db, lock).await;
    tampered(
        &till.db,
        "DELETE FROM ledger_entries WHERE transaction_id = (SELECT id FROM ledger_transactions ORDER BY id LIMIT 1)",
    )
    .await;
    let told = faults(&till.db).await;
    assert!(told.len() == 1 && told[0].ends_with("has no entries"), "{told:?}");
    tampered(
        &till.db,
        "DELETE FROM ledger_entries WHERE amount > 0
         AND transaction_id = (SELECT id FROM ledger_transactions ORDER BY id DESC LIMIT 1)",
    )
    .await;
    let told = faults(&till.db).await;
    assert!(told.len() == 2 && told[1].ends_with("is off by -1999"), "{told:?}");
});
