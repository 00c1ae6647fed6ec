//! What an operator gets wrong is one clear line that names the thing and the mend; nothing is damaged by it.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use mintreu::usage::{self, Count, Usage};

use crate::{
    journey_postgres::{PASSWORD, Server},
    journey_shop::{Shop, ids, now, until},
    support::{Finished, Mintreu, PostgresDb, TestDb, free_port},
};

const KEY: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=";

/// Every file below a directory with its bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    files
}

/// A command must fail with this code and one line that holds these words, and nothing else.
fn told_once(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.status.code(), Some(code), "{finished:?}");
    let errors: Vec<_> = finished.stderr.lines().filter(|line| !line.contains(r#""level":"INFO""#)).collect();
    let [line] = errors.as_slice() else { panic!("one line, not {}: {}", errors.len(), finished.stderr) };
    assert!(line.starts_with("error: ") && line.len() < 500, "{line}");
    for word in words {
        assert!(line.contains(word), "`{word}` in: {line}");
    }
    assert_eq!(finished.stdout, "", "an error is not among what is printed");
}

/// `serve` must fail so, and leave every file that was there as it was.
fn serve_refuses(mintreu: &Mintreu, code: i32, words: &[&str]) {
    let before = contents(mintreu.directory());
    told_once(&mintreu.run(&["serve"]), code, words);
    let after = contents(mintreu.directory());
    for (path, bytes) in &before {
        assert!(after.get(path) == Some(bytes), "{} was changed", path.display());
    }
}

#[test]
fn every_fault_of_a_configuration_is_told_in_a_line_of_its_own() {
    let mintreu = Mintreu::new().env("MINTREU__HTTP__PROT", "1");
    let file =
        "[http]\nlistne = \"x\"\n[jobs]\nconcurrency = \"many\"\nlease = 5\n[database]\nurl = \"mysql://shop\"\n";
    fs::write(mintreu.directory().join("mintreu.toml"), file).expect("a file");
    for command in [&["serve"][..], &["config", "check"], &["migrate"], &["jobs", "list"]] {
        let finished = mintreu.run(command);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        let lines: Vec<_> = finished.stderr.lines().collect();
        assert_eq!(lines.len(), 5, "{}", finished.stderr);
        for words in [
            ["mintreu.toml:2", "http.listne", "http.listen"],
            ["mintreu.toml:4", "jobs.concurrency", "whole number"],
            ["mintreu.toml:5", "jobs.lease", "30s"],
            ["mintreu.toml:7", "database.url", "sqlite://FILE"],
            ["MINTREU__HTTP__PROT", "no such key", "MINTREU__HTTP__"],
        ] {
            let told = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
            assert!(told, "{words:?} in one line of:\n{}", finished.stderr);
        }
    }
    assert_eq!(contents(mintreu.directory()).len(), 1, "nothing was made");
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_named() {
    let mintreu = Mintreu::new();
    told_once(&mintreu.run(&["serve", "--config", "shop.toml"]), 2, &["shop.toml", "--config"]);
    fs::write(mintreu.directory().join("shop.toml"), "[http]\nlisten = \n").expect("a file");
    told_once(&mintreu.run(&["serve", "--config", "shop.toml"]), 2, &["shop.toml:2", "not TOML"]);
    told_once(&mintreu.run(&["serve", "--config", "."]), 2, &["cannot be read"]);
}

#[test]
fn a_busy_port_is_named_with_its_key() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (variable, key) in [("MINTREU__HTTP__LISTEN", "http.listen"), ("MINTREU__METRICS__LISTEN", "metrics.listen")] {
        let mintreu = Mintreu::new().env(variable, &address);
        serve_refuses(&mintreu, 1, &[key, &address, "in use", "another port"]);
        assert!(contents(mintreu.directory()).is_empty(), "ports are tried before anything is made");
    }
    let mintreu = Mintreu::new().env("MINTREU__HTTP__LISTEN", "192.0.2.1:8080");
    serve_refuses(&mintreu, 1, &["http.listen", "192.0.2.1:8080", "no address of this machine"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let mintreu = Mintreu::new().env("MINTREU__DATABASE__URL", "sqlite://file/shop.db");
    fs::write(mintreu.directory().join("file"), "not a directory").expect("a file");
    serve_refuses(&mintreu, 1, &["database.url", "file"]);
    told_once(&mintreu.run(&["migrate"]), 1, &["database.url", "file"]);
    let mintreu = mintreu.env("MINTREU__DATABASE__URL", "sqlite://var/shop.db");
    let mintreu = mintreu.env("MINTREU__USAGE__JOURNAL_DIR", "file/usage");
    serve_refuses(&mintreu, 1, &["usage.journal_dir", "file/usage", "can write to"]);
    let mintreu = mintreu.env("MINTREU__DATABASE__URL", "sqlite://.").env("MINTREU__USAGE__JOURNAL_DIR", "var/usage");
    told_once(&mintreu.run(&["migrate"]), 1, &["database.url", "name a file"]);
}

/// A file system of its own, where this account may make one: gone when this is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).output();
        if mounted.is_ok_and(|done| done.status.success()) {
            Some(Self(at.to_owned()))
        } else {
            eprintln!("passed over: this account cannot mount a file system");
            None
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.expect("mount runs").success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_disk_is_told_and_is_no_harm_to_what_is_on_it() {
    let mintreu = Mintreu::new();
    let Some(disk) = Mounted::tmpfs(&mintreu.directory().join("var"), "size=32m") else { return };
    assert!(mintreu.run(&["migrate"]).status.success());
    disk.remount("ro");
    serve_refuses(&mintreu, 1, &["var/mintreu.db", "Read-only", "writable"]);
    disk.remount("rw");
    let checked = mintreu.run(&["migrate", "--check"]);
    assert!(checked.status.success(), "{checked:?}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_once_there_is_room_the_server_starts() {
    let mintreu = Mintreu::new();
    let Some(disk) = Mounted::tmpfs(&mintreu.directory().join("var"), "size=128k") else { return };
    let filler = disk.0.join("filler");
    fs::write(&filler, vec![0; 96 << 10]).expect("it fits");
    let finished = mintreu.run(&["serve"]);
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    let errors: Vec<_> = finished.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{finished:?}");
    assert!(errors[0].contains("full") && errors[0].contains("make room"), "{finished:?}");
    fs::remove_file(filler).expect("it is there");
    disk.remount("size=32m");
    let mut server = mintreu.serve().await;
    server.terminate();
    assert!(server.wait().success());
    let doctor = mintreu.run(&["doctor"]);
    assert!(doctor.status.success(), "{doctor:?}");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let mintreu = Mintreu::new().env("MINTREU__DATABASE__URL", "sqlite://notes.txt");
    fs::write(mintreu.directory().join("notes.txt"), "these are my notes, and no database\n".repeat(100))
        .expect("a file");
    serve_refuses(&mintreu, 1, &["database.url", "notes.txt", "not a database", "another"]);
    told_once(&mintreu.run(&["migrate"]), 1, &["notes.txt", "not a database"]);
    told_once(&mintreu.run(&["jobs", "list"]), 1, &["notes.txt", "not a database"]);
}

#[tokio::test]
async fn a_second_server_on_one_sqlite_file_is_refused_and_the_first_unharmed() {
    let db = TestDb::sqlite();
    let first = Shop::on(&db);
    let mut server = first.serve().await;
    let second = Shop::on(&db);
    serve_refuses(&second.mintreu, 1, &["database.url", "another server", "mintreu.db", "PostgreSQL"]);
    let order = first.open().await;
    first.pay(&order).await;
    first.until_order_is(&order, "fulfilled").await;
    assert!(server.ended().is_none());
    server.kill_9();
    drop(second.serve().await);
}

#[tokio::test]
async fn two_servers_do_not_share_a_usage_journal() {
    let Some(database) = PostgresDb::create().await else { return };
    let first = Shop::of(Mintreu::new(), database.url());
    let _server = first.serve().await;
    let journal = first.mintreu.directory().join("var/usage").display().to_string();
    let second =
        Mintreu::new().env("MINTREU__DATABASE__URL", database.url()).env("MINTREU__USAGE__JOURNAL_DIR", &journal);
    serve_refuses(&second, 1, &["usage.journal_dir", &journal, "another process"]);
}

#[tokio::test]
async fn a_postgresql_that_does_not_answer_or_refuses_is_named_without_its_password() {
    let nobody = format!("postgres://shop:geheim@127.0.0.1:{}/shop", free_port());
    let mintreu = Mintreu::new().env("MINTREU__DATABASE__PATIENCE", "500ms");
    let mintreu = mintreu.env("MINTREU__DATABASE__URL", &nobody);
    for command in [&["serve"][..], &["migrate"], &["jobs", "list"]] {
        let finished = mintreu.run(command);
        told_once(&finished, 1, &["database.url", "postgres://shop:***@127.0.0.1", "start PostgreSQL"]);
        assert!(!finished.stderr.contains("geheim"), "{finished:?}");
    }
    let Some(database) = PostgresDb::create().await else { return };
    let missing = database.url().replace(database.name(), "no_such_database");
    let mintreu = mintreu.env("MINTREU__DATABASE__URL", missing);
    told_once(&mintreu.run(&["serve"]), 1, &["database.url", "\"no_such_database\" does not exist", "database name"]);
    let (scheme, rest) = database.url().split_once("://").expect("a URL");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let mintreu = mintreu.env("MINTREU__DATABASE__URL", format!("{scheme}://no_such_user:geheim@{host}"));
    let finished = mintreu.run(&["serve"]);
    told_once(&finished, 1, &["database.url", "no_such_user", "user, password"]);
    assert!(!finished.stderr.contains("geheim"), "{finished:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_none_is_shown() {
    let Some(postgres) = Server::start_new().await else { return };
    let mintreu = Mintreu::new().env("MINTREU__DATABASE__URL", postgres.url("geheim"));
    for command in [&["serve"][..], &["migrate"]] {
        let finished = mintreu.run(command);
        told_once(
            &finished,
            1,
            &["database.url", "password authentication failed for user \"mintreu\"", "mend the user"],
        );
        assert!(!finished.stderr.contains("geheim"), "{finished:?}");
    }
    let mintreu = mintreu.env("MINTREU__DATABASE__URL", postgres.url(PASSWORD));
    assert!(mintreu.run(&["migrate"]).status.success());
}

async fn change(shop: &Shop, statement: &'static str) {
    let db = shop.db().await;
    let changed = db.write(async |tx| mintreu::execute!(tx, sqlx::query(statement))).await;
    db.close().await;
    let changed: u64 = changed.map_err(|error: mintreu::db::DbError| error).expect("it is written");
    assert_eq!(changed, 1, "{statement}");
}

on_both!(a_database_of_a_newer_program_is_left_alone, |db| async move {
    let shop = Shop::on(&db);
    shop.run(&["migrate"]);
    let newer = match db {
        TestDb::Sqlite(_) => {
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9001, 'of the future', TRUE, x'00', 0)"
        }
        TestDb::Postgres(_) => {
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9001, 'of the future', TRUE, '\\x00', 0)"
        }
    };
    change(&shop, newer).await;
    for command in [&["serve"][..], &["migrate"], &["jobs", "list"], &["flags", "kill", "payments", "--reason", "x"]] {
        told_once(&shop.mintreu.run(command), 1, &["version 9001", "newer"]);
    }
    assert!(shop.refused(&["migrate", "--check"], 3).stdout.contains("9001"));
    assert!(shop.refused(&["doctor"], 3).stdout.contains("9001"));
    assert_eq!(shop.number("SELECT COUNT(*) FROM kill_switches WHERE killed").await, 0);
});

on_both!(a_migration_that_was_changed_is_told, |db| async move {
    let shop = Shop::on(&db);
    shop.run(&["migrate"]);
    let altered = match db {
        TestDb::Sqlite(_) => "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2",
        TestDb::Postgres(_) => "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2",
    };
    change(&shop, altered).await;
    for command in [&["serve"][..], &["migrate"], &["audit", "verify"]] {
        told_once(&shop.mintreu.run(command), 1, &["migration 2", "differs"]);
    }
});

/// What production asks for.
fn production(mintreu: Mintreu) -> Mintreu {
    mintreu
        .env("MINTREU__PROFILE", "production")
        .env("MINTREU__SECRETS__KEY", KEY)
        .env("MINTREU__HTTP__PUBLIC_URL", "https://shop.example.com")
}

on_both!(production_waits_for_its_operator_to_migrate, |db| async move {
    let mut shop = Shop::on(&db);
    shop.mintreu = production(shop.mintreu);
    let words: &[&str] = &["database.url", "migrations are to be run", "`mintreu migrate`"];
    told_once(&shop.mintreu.run(&["serve"]), 1, words);
    shop.run(&["migrate"]);
    let mut server = shop.serve().await;
    server.terminate();
    assert!(server.wait().success());
    assert!(!shop.mintreu.directory().join("var/secret.key").exists(), "production makes no key for itself");
});

#[test]
fn production_lists_all_its_unsafe_settings_at_once() {
    let mintreu = Mintreu::new()
        .env("MINTREU__PROFILE", "production")
        .env("MINTREU__PAYMENTS__SANDBOX__ENABLED", "true")
        .env("MINTREU__METRICS__LISTEN", "0.0.0.0:9464");
    for command in [&["serve"][..], &["config", "check"], &["migrate"]] {
        let finished = mintreu.run(command);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 4, "{}", finished.stderr);
        for word in ["secrets.key", "payments.sandbox.enabled", "http.public_url", "metrics.listen"] {
            assert_eq!(finished.stderr.lines().filter(|line| line.contains(word)).count(), 1, "{word}");
        }
    }
    assert!(contents(mintreu.directory()).is_empty(), "nothing was made");
}

#[test]
fn keys_that_are_none_are_refused_without_being_shown() {
    let mintreu = Mintreu::new().env("MINTREU__SECRETS__KEY", "geheim");
    let finished = mintreu.run(&["serve"]);
    told_once(&finished, 2, &["MINTREU__SECRETS__KEY", "openssl rand -base64 32"]);
    assert!(!finished.stderr.contains("geheim"), "{finished:?}");
    let mintreu = Mintreu::new();
    fs::create_dir(mintreu.directory().join("var")).expect("a directory");
    let file = mintreu.directory().join("var/secret.key");
    fs::write(&file, "geheim\n").expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("its owner may");
    serve_refuses(&mintreu, 1, &["var/secret.key", "others can read", "chmod 600"]);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its owner may");
    serve_refuses(&mintreu, 1, &["var/secret.key", "holds no key", "restore it"]);
}

on_both!(the_damaged_end_of_a_usage_journal_is_cut_counted_and_told_and_the_server_starts, |db| async move {
    let shop = Shop::on(&db);
    let directory = shop.mintreu.directory().join("var/usage");
    let usage = Usage::open(usage::Config::in_dir(&directory), ids()).expect("the journal is free");
    for _ in 0..10 {
        let (subject, metric, endpoint) = ("lic_1", "requests", "GET /");
        usage.record(&Count { subject, metric, endpoint, amount: 1, at: now(), call: None });
    }
    drop(usage);
    let journal = contents(&directory).into_keys().find(|path| path.extension().is_some_and(|it| it == "journal"));
    let journal = journal.expect("a journal");
    let mut bytes = fs::read(&journal).expect("a journal");
    // The last record was half written when the power failed, and noise stands behind it.
    bytes.truncate(bytes.len() - 3);
    bytes.extend([0xA5; 61]);
    fs::write(&journal, bytes).expect("it is written");

    let server = shop.serve().await;
    until("what is whole is counted", async || {
        let sum =
            shop.number("SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM usage_summaries WHERE period = 'day'");
        let sum = sum.await;
        if sum == 9 { Ok(()) } else { Err(sum) }
    })
    .await;
    let warnings: Vec<_> = server.stderr().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect();
    assert!(warnings.iter().any(|line| line.contains("journal")), "{warnings:?}");
    let metrics = shop.client.get(shop.mintreu.metrics_url()).send().await.expect("an answer").text().await;
    let metrics = metrics.expect("text");
    let cut = metrics.lines().find(|line| line.starts_with("mintreu_usage_journal_truncated_bytes_total"));
    let bytes: f64 = cut.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("the bytes are counted");
    assert!(bytes > 61.0, "{cut:?}");
});
