//! The commands around an installation: migrate, config, doctor, help.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::{
    journey_shop::Shop,
    support::{Mintreu, TestDb},
};

const KEY: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=";

on_both!(the_schema_is_checked_and_brought_up_to_date, |db| async move {
    let shop = Shop::on(&db);
    let check = shop.refused(&["migrate", "--check"], 3);
    assert!(check.stdout.contains("`mintreu migrate`"), "{check:?}");
    let json = shop.refused(&["migrate", "--check", "--json"], 3);
    let state: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let pending = if let TestDb::Sqlite(directory) = &db {
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0, "a look makes no file");
        "missing"
    } else {
        "pending"
    };
    assert_eq!(state["schema"], pending, "{state}");
    assert!(shop.refused(&["jobs", "list"], 1).stderr.contains("`mintreu migrate`"));

    let run = shop.json(&["migrate"]);
    assert!(run["migrated"].as_array().is_some_and(|versions| versions.len() > 3), "{run}");
    assert_eq!(shop.json(&["migrate"]), json!({ "migrated": [] }), "a second time there is nothing to do");
    assert_eq!(shop.json(&["migrate", "--check"])["schema"], "current");
    shop.run(&["jobs", "list"]);
});

#[test]
fn the_configuration_is_checked_and_shown_without_its_secrets() {
    let mintreu = Mintreu::new()
        .env("MINTREU__DATABASE__URL", "postgres://shop:geheim@db.example.com/shop?sslpassword=geheim")
        .env("MINTREU__REDIS__URL", "redis://:geheim@redis.example.com:6379")
        .env("MINTREU__PAYMENTS__SANDBOX__WEBHOOK_SECRET", "whsec_geheim,whsec_geheim_2")
        .env("MINTREU__SECRETS__KEY", KEY);
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"]] {
        let finished = mintreu.run(arguments);
        assert!(finished.status.success() && finished.stderr.is_empty(), "{finished:?}");
        assert!(!finished.stdout.contains("geheim") && !finished.stdout.contains(KEY), "{}", finished.stdout);
    }
    let settings: Value = serde_json::from_str(&mintreu.run(&["config", "show", "--json"]).stdout).expect("JSON");
    let settings = settings.as_array().expect("a list");
    let find = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"));
    assert_eq!(find("http.listen")["origin"], "MINTREU__HTTP__LISTEN");
    assert_eq!(find("jobs.lease"), &json!({ "key": "jobs.lease", "value": "30s", "origin": "default" }));
    assert_eq!(std::fs::read_dir(mintreu.directory()).expect("a directory").count(), 0, "nothing was written");
}

#[test]
fn what_is_shown_is_a_configuration() {
    let mintreu = Mintreu::new();
    let shown = mintreu.run(&["config", "show"]).stdout;
    let redacted =
        |line: &str| ["webhook_secret", "secret_key", "client_secret"].iter().any(|key| line.starts_with(key));
    let file: Vec<_> = shown.lines().filter(|line| !redacted(line)).collect();
    std::fs::write(mintreu.directory().join("shown.toml"), file.join("\n")).expect("a file");
    let checked = mintreu.run(&["config", "check", "--config", "shown.toml"]);
    assert!(checked.status.success(), "{checked:?}");
}

on_both!(the_doctor_finds_a_healthy_installation_healthy, |db| async move {
    let shop = Shop::on(&db);
    let server = shop.serve().await;
    let order = shop.open().await;
    shop.pay(&order).await;
    shop.until_order_is(&order, "fulfilled").await;
    for beside in ["a running server", "none"] {
        let findings = shop.json(&["doctor"]);
        let findings = findings.as_array().expect("a list");
        assert!(findings.iter().all(|finding| finding["weight"] != "wrong"), "beside {beside}: {findings:?}");
        for about in ["configuration", "secrets", "usage", "schema", "database", "jobs", "audit"] {
            assert!(findings.iter().any(|finding| finding["about"] == about), "{about}: {findings:?}");
        }
        if beside == "a running server" {
            shop.run(&["flags", "kill", "support", "--reason", "a holiday"]);
            shop.run(&["jobs", "pause", "licensing", "--reason", "a look"]);
        }
    }
    drop(server);
    let told = shop.run(&["doctor"]);
    assert!(told.contains("a holiday") && told.contains("mintreu flags restore support"), "{told}");
    assert!(told.contains("a look") && told.contains("mintreu jobs resume licensing"), "{told}");
});

#[test]
fn the_doctor_changes_nothing() {
    let mintreu = Mintreu::new();
    let told = mintreu.run(&["doctor"]);
    assert_eq!(told.status.code(), Some(3), "{told:?}");
    assert!(told.stdout.contains("`mintreu migrate`"), "{told:?}");
    assert_eq!(std::fs::read_dir(mintreu.directory()).expect("a directory").count(), 0, "nothing was written");
}

#[tokio::test]
async fn the_doctor_tells_a_wrong_configuration_and_damaged_files() {
    let shop = Shop::on(&TestDb::sqlite());
    let wrong = shop.mintreu.run(&["doctor", "--config", "nowhere.toml"]);
    assert_eq!((wrong.status.code(), wrong.stdout.contains("nowhere.toml")), (Some(3), true), "{wrong:?}");

    let db = TestDb::sqlite();
    let TestDb::Sqlite(directory) = &db else { return };
    let shop = Shop::on(&db);
    shop.run(&["migrate"]);
    let mut connection = SqliteConnection::connect(&db.url()).await.expect("it opens");
    // Nothing of it is to be found in the write-ahead log.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("it is checkpointed");
    connection.close().await.expect("it closes");
    let file = directory.path().join("mintreu.db");
    let mut bytes = std::fs::read(&file).expect("the database");
    let pages = bytes.len() / 4096;
    // Every page but the first: whatever table is looked at is damaged.
    bytes[4096..pages * 4096].fill(0xA5);
    std::fs::write(&file, &bytes).expect("the database");
    let told = shop.refused(&["doctor"], 3);
    assert!(told.stdout.contains("WRONG  "), "{told:?}");
    assert_eq!(std::fs::read(&file).expect("the database"), bytes, "it was left as it was");

    std::fs::create_dir_all(shop.mintreu.directory().join("var")).expect("a directory");
    std::fs::write(shop.mintreu.directory().join("var/secret.key"), "nonsense").expect("a file");
    assert!(shop.refused(&["doctor"], 3).stdout.contains("var/secret.key"));
}

#[tokio::test]
async fn the_description_of_the_api_is_had_without_a_server_or_a_database() {
    let url = "https://shop.example.com";
    let db = TestDb::sqlite();
    let shop = Shop::of(Mintreu::new().env("MINTREU__HTTP__PUBLIC_URL", url), &db.url());
    let running = shop.serve().await;
    let answer = shop.client.get(shop.mintreu.url("/api/openapi.json")).send().await.expect("an answer");
    let told = answer.text().await.expect("text");
    assert!(told.contains(&format!(r#""servers":[{{"url":"{url}"}}]"#)), "it says where the server is");
    drop(running);

    let elsewhere = Mintreu::new()
        .env("MINTREU__HTTP__PUBLIC_URL", url)
        .env("MINTREU__DATABASE__URL", "postgres://nobody@127.0.0.1:9/nowhere");
    let printed = elsewhere.run(&["openapi"]);
    assert!(printed.status.success() && printed.stderr.is_empty(), "{}", printed.stderr);
    assert!(printed.stdout == told, "the same bytes: {} and {}", printed.stdout.len(), told.len());
    let left = std::fs::read_dir(elsewhere.directory()).expect("a directory").count();
    assert_eq!(left, 0, "nothing was written");

    let written = elsewhere.run(&["openapi", "--output", "api.json"]);
    assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
    let file = std::fs::read_to_string(elsewhere.directory().join("api.json")).expect("a file");
    assert!(file == told, "the same bytes");
    let nowhere = elsewhere.run(&["openapi", "--output", "no/such/place.json"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(nowhere.stderr.contains("cannot write no/such/place.json"), "{}", nowhere.stderr);
    let production = elsewhere.env("MINTREU__PROFILE", "production").run(&["openapi"]);
    assert_eq!(production.status.code(), Some(2), "what is wrong in a configuration is told here too");
}

/// The names of a command's subcommands, read from its help.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_help_with_an_example_that_is_its_own() {
    let mintreu = Mintreu::new();
    let mut commands: Vec<Vec<String>> = vec![vec![]];
    let mut leaves = 0;
    while let Some(command) = commands.pop() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = mintreu.run(&arguments);
        assert!(help.status.success(), "{help:?}");
        let inner = subcommands(&help.stdout);
        if inner.is_empty() || command.is_empty() {
            leaves += 1;
            assert!(help.stdout.contains(&format!("  mintreu {}", command.join(" "))), "an example in {}", help.stdout);
        }
        commands.extend(inner.into_iter().map(|name| [command.clone(), vec![name]].concat()));
    }
    assert!(leaves > 15, "{leaves}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mintreu = Mintreu::new();
    assert!(mintreu.run(&["migrate"]).status.success());
    for arguments in [&["--help"][..], &["config", "show"], &["flags", "list"], &["audit", "export"], &["doctor"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mintreu"));
        command.args(arguments).current_dir(mintreu.directory()).stdin(Stdio::null());
        // A pipe that nobody reads from.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let finished = command.stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&finished.stderr);
        assert!(!stderr.contains("panicked") && !stderr.contains("Broken pipe"), "{arguments:?}: {stderr}");
        assert!(finished.status.success(), "{arguments:?}: {finished:?}");
    }
}
