//! The import rule of the house, enforced: rooms know only the rooms below them, and each outside library has a home.
//!
//! The sources are read as tokens, without comments and texts; `crate::x`, `super::…::x`, groups in braces and
//! `mintreu::x` in the binary count. The tables below are the rule; ARCHITECTURE.md explains it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// Rooms in layers, lowest first, and what each may name.
const ROOMS: &[(&str, &[&[&str]])] = &[
    ("kernel", &[]),
    ("config", &[KERNEL]),
    ("telemetry", &[KERNEL, &["config"]]),
    ("db", &[KERNEL]),
    ("jobs", &[KERNEL, &["db"]]),
    ("storage", &[KERNEL]),
    ("audit", &[STORE]),
    ("flags", &[STORE, &["audit"]]),
    ("usage", &[STORE, &["audit"]]),
    ("idempotency", &[STORE]),
    // Its notices are what the slices enqueue; what they say is gathered by the actor that sends them.
    ("notifications", &[SLICE]),
    ("accounts", &[SLICE]),
    ("catalog", &[SLICE, &["accounts"]]),
    ("payments", &[SLICE, &["accounts", "catalog"]]),
    ("licenses", &[SLICE, &["accounts", "catalog", "payments"]]),
    ("api_keys", &[SLICE, &["accounts", "catalog", "licenses"]]),
    ("downloads", &[SLICE, &["accounts", "catalog", "payments", "licenses", "storage"]]),
    ("credentials", &[SLICE, &["accounts", "catalog", "licenses", "api_keys", "downloads"]]),
    ("orders", &[SLICE, &["accounts", "catalog", "payments", "licenses", "downloads"]]),
    // What is due to it waits in a table; no slice may name it.
    ("invoices", &[SLICE, &["accounts", "catalog", "payments", "orders"]]),
    // Reached through jobs only: no slice may name them.
    ("support", &[SLICE, SLICES, &["storage"]]),
    // Right of everything whose rows it shows or erases.
    ("privacy", &[SLICE, SLICES, &["storage", "invoices", "support"]]),
    ("app", &[BELOW_APP]),
    ("actors", &[BELOW_APP, &["app"]]),
    ("http", &[BELOW_APP, &["app"]]),
    ("cli", &[BELOW_APP, &["app", "actors", "http"]]),
    ("main", &[&["cli"]]),
    ("lib", &[]),
];
const KERNEL: &[&str] = &["kernel"];
const STORE: &[&str] = &["kernel", "db", "jobs"];
const SLICE: &[&str] = &["kernel", "db", "jobs", "audit", "flags", "notifications"];
const SLICES: &[&str] = &["accounts", "catalog", "payments", "licenses", "downloads", "orders"];
#[rustfmt::skip]
const BELOW_APP: &[&str] = &[
    "kernel", "config", "telemetry", "db", "jobs", "audit", "flags", "usage", "accounts", "catalog", "payments",
    "licenses", "api_keys", "downloads", "credentials", "orders", "invoices", "notifications", "support", "idempotency",
    "storage", "privacy",
];

/// Where an outside library may be named.
enum Home {
    Only(&'static [&'static str]),
    NotIn(&'static [&'static str]),
}

const LIBRARIES: &[(&str, Home)] = &[
    ("actix", Home::Only(&["actors"])),
    ("apalis", Home::Only(&["jobs"])),
    ("apalis_core", Home::Only(&["jobs"])),
    ("aide", Home::Only(&["http"])),
    ("axum", Home::Only(&["http"])),
    ("swagger_ui_redist", Home::Only(&["http"])),
    ("tower_http", Home::Only(&["http"])),
    ("clap", Home::Only(&["cli"])),
    ("croner", Home::Only(&["jobs"])),
    ("toml", Home::Only(&["config", "notifications"])),
    ("tracing_subscriber", Home::Only(&["config", "telemetry"])),
    ("metrics_exporter_prometheus", Home::Only(&["telemetry"])),
    ("hyper_util", Home::Only(&["http"])),
    ("chacha20poly1305", Home::Only(&["kernel"])),
    ("hmac", Home::Only(&["kernel"])),
    ("sha2", Home::Only(&["kernel"])),
    ("governor", Home::Only(&["http"])),
    // The front names it in its own tests, and the demonstration walks, as a client.
    ("reqwest", Home::Only(&["payments", "downloads", "http", "cli"])),
    ("aws_sdk_s3", Home::Only(&["storage"])),
    ("aws_smithy_http_client", Home::Only(&["storage"])),
    ("infer", Home::Only(&["storage"])),
    // The files that the demonstration has to sell.
    ("flate2", Home::Only(&["cli"])),
    ("webpki", Home::Only(&["payments"])),
    ("lettre", Home::Only(&["notifications"])),
    ("askama", Home::Only(&["http", "notifications", "invoices"])),
    ("krilla", Home::Only(&["invoices"])),
    ("skrifa", Home::Only(&["invoices"])),
    ("dejavu", Home::Only(&["invoices"])),
    ("argon2", Home::Only(&["accounts"])),
    ("totp_rs", Home::Only(&["accounts"])),
    ("csv", Home::Only(&["catalog", "http"])),
    ("ed25519_dalek", Home::Only(&["licenses"])),
    ("mail_parser", Home::Only(&["support", "notifications"])),
    ("tar", Home::Only(&["cli"])),
    // The archives of people's data too.
    ("zip", Home::Only(&["cli", "privacy"])),
    ("quick_cache", Home::Only(&["licenses", "api_keys"])),
    ("sqlx", Home::NotIn(&["http", "actors", "cli", "main", "config", "telemetry"])),
];

#[derive(Debug, PartialEq, Eq)]
struct Violation {
    line: usize,
    room: String,
    named: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}` may not name `{}`", self.line, self.room, self.named)
    }
}

/// What the source of a file breaks. `path` is relative to `src`.
fn violations(path: &Path, source: &str) -> Vec<Violation> {
    let module = module_path(path);
    let room = module.first().map_or("lib", String::as_str);
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![Violation { line: 1, room: room.to_owned(), named: "anything: it is in no table yet".to_owned() }];
    };
    let tokens = tokens(source);
    let rooms = named_rooms(&tokens, &module).into_iter().filter(|(_, named)| {
        let known = named == "*" || ROOMS.iter().any(|(name, _)| name == named);
        known && named != room && !allowed.iter().any(|group| group.contains(&named.as_str()))
    });
    let libraries = named_libraries(&tokens).into_iter().filter(|(_, named)| {
        LIBRARIES.iter().any(|(name, home)| {
            name == named
                && match home {
                    Home::Only(rooms) => !rooms.contains(&room),
                    Home::NotIn(rooms) => rooms.contains(&room),
                }
        })
    });
    rooms.chain(libraries).map(|(line, named)| Violation { line, room: room.to_owned(), named }).collect()
}

/// `http/api/orders.rs` is `[http, api, orders]`; `http/mod.rs` is `[http]`; `lib.rs` is the root.
fn module_path(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// An identifier or a sign (`::` is one), and its line.
type Token = (usize, String);

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |(_, text)| text)
}

/// The names after `crate::`, after as many `super::` as lead to the root, and after `mintreu::` in the binary.
fn named_rooms(tokens: &[Token], module: &[String]) -> Vec<Token> {
    let mut found = Vec::new();
    // The brace depths at which inline modules were opened: each is one more `super` away from the root.
    let (mut depth, mut inline) = (0_usize, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        match text(tokens, at) {
            "{" => {
                depth += 1;
                if at >= 2 && text(tokens, at - 2) == "mod" {
                    inline.push(depth);
                }
            }
            "}" => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            "crate" | "mintreu" if text(tokens, at + 1) == "::" => found.extend(first_names(tokens, at + 2)),
            "super" if at == 0 || text(tokens, at - 1) != "::" => {
                let mut steps = 1;
                while text(tokens, at + 1) == "::" && text(tokens, at + 2) == "super" {
                    (steps, at) = (steps + 1, at + 2);
                }
                if steps >= module.len() + inline.len() && text(tokens, at + 1) == "::" {
                    found.extend(first_names(tokens, at + 2));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of the paths that begin here: one, or those of a group in braces.
fn first_names(tokens: &[Token], at: usize) -> Vec<Token> {
    if text(tokens, at) != "{" {
        return tokens.get(at).cloned().into_iter().collect();
    }
    let (mut names, mut depth) = (Vec::new(), 0);
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.1.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(text(tokens, place - 1), "{" | ",") => names.push(token.clone()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Names at the beginning of a path, and those after `use` and `extern crate`.
fn named_libraries(tokens: &[Token]) -> Vec<Token> {
    let begins_path = |at: usize| {
        let before = if at == 0 { "" } else { text(tokens, at - 1) };
        let leading = before == "::" && (at < 2 || !is_path_part(text(tokens, at - 2)));
        let path = (before != "::" && before != "." || leading) && text(tokens, at + 1) == "::";
        path || before == "use" || (before == "crate" && at >= 2 && text(tokens, at - 2) == "extern")
    };
    (0..tokens.len()).filter(|at| begins_path(*at)).map(|at| tokens[at].clone()).collect()
}

fn is_path_part(text: &str) -> bool {
    text == ">" || text.starts_with(|c: char| c.is_alphanumeric() || c == '_') && text != "use"
}

fn tokens(source: &str) -> Vec<Token> {
    let source = blanked(source);
    let mut tokens: Vec<Token> = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => rest.chars().next().map_or(1, char::len_utf8),
                word => word,
            };
            let (token, after) = rest.split_at(length);
            tokens.push((number + 1, token.to_owned()));
            rest = after.trim_start();
        }
    }
    tokens
}

/// The source with comments, texts and characters blanked; its lines stay where they are.
fn blanked(source: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(first) = rest.chars().next() {
        let before = out.chars().next_back();
        let length = opaque_length(rest, before).unwrap_or(0);
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push(' ');
            out.extend(rest[..length].chars().filter(|c| *c == '\n'));
            rest = &rest[length..];
        }
    }
    out
}

/// How long the comment, text or character is that begins here; none if none does.
fn opaque_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    if let Some(character) = rest.strip_prefix('\'') {
        // `'a'` and `'\n'` are characters, `'a` is a lifetime.
        let mut chars = character.char_indices();
        let end = match chars.next()?.1 {
            '\\' => 2 + character[2..].find('\'')?,
            _ => chars.next().filter(|(_, c)| *c == '\'')?.0,
        };
        return Some(end + 2);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'));
    if let Some(raw) = raw.filter(|_| !in_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let (start, close) = (rest.len() - raw.len() + hashes + 1, format!("\"{}", "#".repeat(hashes)));
            return Some(rest[start..].find(&close).map_or(rest.len(), |end| start + end + close.len()));
        }
    }
    rest.starts_with('"').then(|| text_length(rest))
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let (step, change) = match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        (at, depth) = (at + step, depth + change);
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the sources can be read");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the sources can be read").path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_room_names_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 5, "the sources are where they are looked for");
    let broken: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(&root).expect("it is under the root");
            let source = fs::read_to_string(file).expect("the sources can be read");
            violations(path, &source).into_iter().map(move |violation| format!("src/{}: {violation}", path.display()))
        })
        .collect();
    assert!(broken.is_empty(), "the import rule is broken:\n{}", broken.join("\n"));
}

fn named(path: &str, source: &str) -> Vec<String> {
    violations(Path::new(path), source).into_iter().map(|violation| violation.named).collect()
}

#[test]
fn a_forbidden_room_is_found_in_every_way_to_name_it() {
    for (path, source) in [
        ("http/api/orders.rs", "use crate::actors::Handle;"),
        ("http/mod.rs", "fn f() { crate::actors::start() }"),
        ("http/mod.rs", "use crate::{\n    app::App,\n    actors::{self, Handle},\n};"),
        ("http/mod.rs", "use super::actors;"),
        ("http/api/orders.rs", "use super::super::super::actors::Handle;"),
        ("http/api.rs", "mod tests { use super::super::super::actors::Handle; }"),
        ("http/mod.rs", "macro_rules! m { () => { $crate::actors::Handle }; }"),
        ("http/mod.rs", "pub(in crate::actors) struct X;"),
    ] {
        assert_eq!(named(path, source), ["actors"], "{path}: {source}");
    }
    assert_eq!(named("http/mod.rs", "use crate::*;"), ["*"]);
    assert_eq!(named("main.rs", "fn main() { mintreu::http::serve() }"), ["http"]);
    assert_eq!(named("payments/settle.rs", "use crate::orders::Order;"), ["orders"]);
    assert_eq!(named("notifications/mailer.rs", "use crate::orders::Order;"), ["orders"]);
    assert_eq!(named("kernel/id.rs", "use crate::db::Db;"), ["db"]);
    assert_eq!(named("novelties/mod.rs", "").len(), 1, "a room that is in no table is refused");
}

#[test]
fn a_library_away_from_home_is_found() {
    for (path, source, library) in [
        ("http/mod.rs", "use actix::Actor;", "actix"),
        ("http/mod.rs", "use ::actix::Actor;", "actix"),
        ("http/mod.rs", "#[actix::main] async fn f() {}", "actix"),
        ("orders/open.rs", "use {std::fmt, axum::Json};", "axum"),
        ("orders/open.rs", "fn f(x: axum::Json<u8>) {}", "axum"),
        ("orders/open.rs", "extern crate axum;", "axum"),
        ("orders/open.rs", "use axum as web;", "axum"),
        ("http/api.rs", "let row = sqlx::query(\"SELECT 1\");", "sqlx"),
        ("audit/seal.rs", "use hmac::Hmac;", "hmac"),
        ("actors/mod.rs", "use apalis_core::backend::Backend;", "apalis_core"),
    ] {
        assert_eq!(named(path, source), [library], "{path}: {source}");
    }
}

#[test]
fn what_is_allowed_is_passed() {
    for (path, source) in [
        ("http/mod.rs", "use crate::{app::App, http::problem, orders::{self, actors}}; use axum::Json;"),
        ("http/api/orders.rs", "use super::actors;"),
        ("http/mod.rs", "mod tests { use super::actors; }"),
        ("http/mod.rs", "pub(crate) struct X; mod actors;"),
        ("orders/settle.rs", "use crate::payments::Payment; use crate::{kernel::Id, db::Tx, jobs, audit};"),
        ("http/mod.rs", "// crate::actors\n/* crate::actors /* nested */ crate::actors */\nlet x = \"crate::actors\";"),
        (
            "http/mod.rs",
            "let x = r#\"a \" crate::actors\"#; let y = b\"\\\" crate::actors\"; let z = br\"crate::actors\";",
        ),
        ("http/mod.rs", "//! [`crate::actors`]\nfn f<'a>(x: &'a str) -> char { '\"' }"),
        ("http/mod.rs", "let quote = '\\''; let other = '\"'; let x = \"crate::actors\";"),
        ("jobs/mod.rs", "use std::actix::x; config.toml.parse();"),
        ("lib.rs", "pub mod actors; pub mod http;"),
    ] {
        assert_eq!(named(path, source), Vec::<String>::new(), "{path}: {source}");
    }
}

#[test]
fn a_violation_after_opaque_text_is_told_with_its_line() {
    let source = "let a = '\"';\n/* two\nlines */ let b = \"x\ny\"; fn f<'a>() {}\nuse crate::actors;\n";
    let found = violations(Path::new("http/mod.rs"), source);
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["line 5: `http` may not name `actors`"]);
}
