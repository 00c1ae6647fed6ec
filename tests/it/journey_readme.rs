//! What README.md tells people to type works as it stands there.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::{
    journey_shop::until,
    support::{Mintreu, Running, crypto},
};

const README: &str = include_str!("../../README.md");

/// The lines of the first block of shell under a heading.
fn block(heading: &str) -> &'static str {
    let (_, below) = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let (_, block) = below.split_once("```sh\n").unwrap_or_else(|| panic!("no shell under {heading}"));
    block.split("```").next().expect("an end")
}

/// Runs a script as a person would who installed the program; ports are this test's own.
fn shell(mintreu: &Mintreu, script: &str) -> Output {
    let script = script.replace("http://127.0.0.1:8080", &mintreu.url(""));
    let script = script.replace("localhost:8080", mintreu.url("").trim_start_matches("http://"));
    let script = script.replace("localhost:9464/metrics", mintreu.metrics_url().trim_start_matches("http://"));
    let programs = Path::new(env!("CARGO_BIN_EXE_mintreu")).parent().expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-e", "-u", "-o", "pipefail", "-c", &script]).current_dir(mintreu.directory()).env_clear();
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.output().expect("bash runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The demonstration, with its shop open.
async fn open_shop(mintreu: &Mintreu) -> Running {
    crypto();
    let mut running = mintreu.spawn(&["demo"]);
    until("the shop is open", async || {
        let told = running.stdout();
        assert!(running.ended().is_none(), "{told}\n{}", running.stderr());
        if told.contains("The shop is open") { Ok(()) } else { Err(told) }
    })
    .await;
    running
}

/// Whether the programs that the README names are here.
fn has_programs() -> bool {
    let found = ["bash", "curl", "jq"].map(|name| Command::new(name).arg("--version").output().is_ok());
    let all = found.iter().all(|found| *found);
    assert!(all || !crate::support::required(), "bash, curl and jq are needed to try what README.md says");
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_a_purchase_is_walked_as_it_is_written() {
    if !has_programs() {
        return;
    }
    let mintreu = Mintreu::new();
    let _shop = open_shop(&mintreu).await;
    let walk = block("### The way of a purchase");
    fits(walk);
    let walked = shell(&mintreu, walk);
    let (told, complained) = (text(&walked.stdout), text(&walked.stderr));
    assert!(walked.status.success(), "{told}\n{complained}");
    let mut lines = told.lines().rev();
    assert_eq!((lines.next(), lines.next()), (Some("true"), Some("\"VALID\"")), "{told}\n{complained}");
    assert!(told.contains("Tidyname"), "{told}");
    assert!(!told.contains("/docs/problems/"), "{told}");
}

fn fits(block: &str) {
    assert!(block.lines().count() <= 24, "it fits on a screen");
    assert!(block.lines().all(|line| line.chars().count() <= 120), "each line fits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_the_api_and_the_help_are_had_as_it_is_written() {
    if !has_programs() {
        return;
    }
    let mintreu = Mintreu::new();
    // Links to files begin with it.
    let url = mintreu.url("");
    let mintreu = mintreu.env("MINTREU__HTTP__PUBLIC_URL", url);
    let shop = open_shop(&mintreu).await;
    let told = shop.stdout();
    let operator = told.lines().find(|line| line.trim_start().starts_with("operator ")).expect("the operator");
    let password = operator.split_whitespace().last().expect("a password");
    let further = block("### The file, an API, help");
    fits(further);
    // One terminal, one script after the other.
    let script = format!("password={password}\n{}{further}", block("### The way of a purchase"));
    let walked = shell(&mintreu, &script);
    let (told, complained) = (text(&walked.stdout), text(&walked.stderr));
    assert!(walked.status.success(), "{told}\n{complained}");
    let (_, further) = told.split_once("\"VALID\"\ntrue\n").expect("the first script's end");
    let mut lines = further.lines();
    for expected in ["tidyname.tar.gz: OK", "\"paid\"", "\"admin\"", "[\"OK\",1]", "\"pending\""] {
        assert_eq!(lines.next(), Some(expected), "{told}\n{complained}");
    }
    assert!(lines.next().is_some_and(|line| line.starts_with("var/mail/")), "{told}\n{complained}");
    let archive = fs::read(mintreu.directory().join("tidyname.tar.gz")).expect("the file");
    assert!(archive.starts_with(&[0x1f, 0x8b]), "gzip");
    assert!(fs::read(mintreu.directory().join("invoice.pdf")).expect("the invoice").starts_with(b"%PDF-"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_an_operator_work_as_they_are_written() {
    if !has_programs() {
        return;
    }
    let mintreu = Mintreu::new();
    let shop = open_shop(&mintreu).await;
    fs::write(mintreu.directory().join("password.txt"), "correct horse battery\n").expect("a file");
    // What stands for something else in the README.
    let exported = shell(&mintreu, "mintreu catalog export catalogue.json");
    assert!(exported.status.success(), "{exported:?}");
    let told = shop.stdout();
    let key = told.split_whitespace().find(|word| word.starts_with("MINTREU-")).expect("a key");
    let lines: Vec<_> = block("### Running it").lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(lines.len() > 8);
    for line in lines {
        let ran = shell(&mintreu, &line.replace(" KEY ", &format!(" {key} ")));
        let (out, err) = (text(&ran.stdout), text(&ran.stderr));
        assert!(ran.status.success(), "{line}\n{out}\n{err}");
    }
    let help = shell(&mintreu, "mintreu help && mintreu help jobs");
    assert!(help.status.success() && text(&help.stdout).contains("retry"), "{help:?}");
}

#[test]
fn the_production_that_is_written_starts_and_the_examples_of_faults_are_real() {
    let mintreu = Mintreu::new();
    let production: String = block("## Configuration")
        .lines()
        .filter(|line| line.starts_with("export"))
        .fold(String::new(), |script, line| script + line + "\n");
    assert_eq!(production.lines().count(), 3);
    let checked =
        shell(&mintreu, &format!("{production}mintreu config check && mintreu migrate && mintreu migrate --check"));
    assert!(checked.status.success(), "{checked:?}");
    let (_, faults) = README.split_once("one line each:\n\n```\n").expect("the example");
    let faults: Vec<_> = faults.split("```").next().expect("an end").lines().collect();
    fs::write(mintreu.directory().join("mintreu.toml"), "\n[http]\nlistn = \"127.0.0.1:1\"\n").expect("a file");
    let checked = shell(&mintreu, "export MINTREU__JOBS__LEASE=30; mintreu config check");
    assert!(!checked.status.success());
    let told = text(&checked.stderr) + &text(&checked.stdout);
    for fault in faults {
        assert!(told.contains(fault), "{fault}\nis not in\n{told}");
    }
}
