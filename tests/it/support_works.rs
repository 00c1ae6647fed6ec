//! The tests' own ground: what they stand on must hold.

use sqlx::{Connection, Executor, PgConnection, Row};

use crate::support::{Mintreu, PostgresDb, TestDb};

on_both!(each_test_gets_a_database_of_its_own, |db| async move {
    let other = match &db {
        TestDb::Sqlite(directory) => {
            assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0, "it is empty");
            TestDb::sqlite()
        }
        TestDb::Postgres(database) => {
            let mut connection = PgConnection::connect(database.url()).await.expect("it is there");
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
            let count: i64 = connection.fetch_one(tables).await.expect("a row").get(0);
            assert_eq!(count, 0, "it is empty");
            TestDb::postgres().await.expect("a server is there")
        }
    };
    assert_ne!(db.url(), other.url());
});

#[tokio::test]
async fn a_database_is_gone_after_its_test_even_with_someone_connected() {
    let Some(database) = PostgresDb::create().await else { return };
    let url = database.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.expect("it is there");
    database.cut_connections().await;
    connection.execute("SELECT 1").await.expect_err("the connection was cut");
    let _connected = PgConnection::connect(&url).await.expect("it is there");
    drop(database);
    PgConnection::connect(&url).await.map(|_| ()).expect_err("it is gone");
}

#[test]
fn the_binary_runs_in_a_directory_of_its_own() {
    let mintreu = Mintreu::new();
    let finished = mintreu.run(&["--version"]);
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(std::fs::read_dir(mintreu.directory()).expect("a directory").count(), 0, "nothing was written");
}
