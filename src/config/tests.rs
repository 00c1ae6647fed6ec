//! What a configuration promises, layer by layer, and what each kind of bad input is answered with.

use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::kernel::secret::REDACTED;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn sources(file: &str, env: &[(&str, &str)]) -> Sources {
    let file = (!file.is_empty()).then(|| (PathBuf::from("mintreu.toml"), file.to_owned()));
    Sources { file, env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
}

fn load(file: &str, env: &[(&str, &str)]) -> Config {
    Config::load(&sources(file, env)).expect("a good configuration")
}

/// The lines that a bad configuration is refused with.
fn refused(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    let error = Config::load(&sources(file, env)).expect_err("a bad configuration");
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), error.problems.len(), "each problem is one line: {error}");
    lines
}

/// A production configuration without fault.
const PRODUCTION: [(&str, &str); 3] = [
    ("MINTREU__PROFILE", "production"),
    ("MINTREU__HTTP__PUBLIC_URL", "https://shop.example.com"),
    ("MINTREU__SECRETS__KEY", KEY),
];

#[test]
fn an_empty_directory_is_a_working_configuration() {
    let config = load("", &[]);
    assert_eq!(config.profile, Profile::Development);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.metrics.listen.map(|listen| listen.to_string()).as_deref(), Some("127.0.0.1:9464"));
    assert_eq!(config.database.url.sqlite_file(), Some(Path::new("var/mintreu.db")));
    assert_eq!(config.shutdown.grace, Duration::from_secs(10));
    assert!(config.redis.url.is_none());
    assert!(config.payments.sandbox.enabled);
}

#[test]
fn every_key_of_the_built_in_file_is_documented_by_a_comment_above_it() {
    let mut before = "";
    for line in DEFAULT.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with("# "), "no comment above {line}");
        }
        before = line;
    }
}

#[test]
fn a_shop_that_is_only_told_where_to_listen_is_reached_there() {
    for (listen, reached) in [
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:9000", "http://[::1]:9000"),
        ("192.0.2.7:9000", "http://192.0.2.7:9000"),
        // Whatever the system gives: not known yet.
        ("127.0.0.1:0", "http://127.0.0.1:8080"),
    ] {
        let config = load("", &[("MINTREU__HTTP__LISTEN", listen)]);
        assert_eq!(config.http.public_url.as_str(), reached);
        assert_eq!(reached.parse(), Ok(config.http.public_url.clone()), "it is a URL that could be written");
        assert_eq!(config.origin("http.public_url").to_string(), "default");
        let shown = config.settings().into_iter().find(|setting| setting.key == "http.public_url").expect("a setting");
        assert_eq!(shown.value.as_str(), Some(reached));
    }
    let told = "http.public_url = 'https://shop.example.com'";
    let config = load(told, &[("MINTREU__HTTP__LISTEN", "127.0.0.1:9000")]);
    assert_eq!(config.http.public_url.as_str(), "https://shop.example.com");
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let file = "telemetry.log_format = 'human'\n[jobs]\nlease = '20s'\nconcurrency = 3\n";
    let config = load(file, &[&PRODUCTION[..], &[("MINTREU__JOBS__LEASE", "1m")]].concat());
    assert_eq!(config.jobs.lease, Duration::from_mins(1));
    assert_eq!(config.origin("jobs.lease").to_string(), "MINTREU__JOBS__LEASE");
    assert_eq!(config.jobs.concurrency, 3);
    assert_eq!(config.origin("jobs.concurrency").to_string(), "mintreu.toml:4");
    assert_eq!(config.telemetry.log_format, LogFormat::Human);
    assert!(!config.payments.sandbox.enabled);
    assert_eq!(config.origin("payments.sandbox.enabled").to_string(), "profile production");
    assert_eq!(config.origin("jobs.poll_interval").to_string(), "default");
}

#[test]
fn the_environment_is_read_as_the_wanted_type() {
    let config = load(
        "",
        &[
            ("MINTREU__HTTP__BODY_LIMIT", "64KiB"),
            ("MINTREU__DATABASE__MAX_CONNECTIONS", "7"),
            ("MINTREU__PAYMENTS__SANDBOX__ENABLED", "false"),
            ("MINTREU__PAYMENTS__SANDBOX__WEBHOOK_SECRET", "whsec_new, whsec_old"),
            ("MINTREU__USAGE__SAMPLE_RATE", "0.5"),
            ("MINTREU__USAGE__LOG", "all"),
            ("MINTREU__METRICS__LISTEN", ""),
            ("MINTREU__REDIS__URL", "redis://127.0.0.1:6379"),
            ("MINTREU_TEST_POSTGRES", "postgres://of/the/tests"),
        ],
    );
    assert_eq!(config.http.body_limit, Bytes(65_536));
    assert_eq!(config.database.max_connections, 7);
    assert!(!config.payments.sandbox.enabled);
    let secrets: Vec<&str> = config.payments.sandbox.webhook_secret.iter().map(|s| s.expose().as_str()).collect();
    assert_eq!(secrets, ["whsec_new", "whsec_old"]);
    assert!((config.usage.sample_rate - 0.5).abs() < f64::EPSILON);
    assert_eq!(config.usage.log, UsageLog::All);
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.redis.url.map(|url| url.to_string()).as_deref(), Some("redis://127.0.0.1:6379"));
}

#[test]
fn one_text_stands_for_a_list_of_one_and_an_empty_one_for_none() {
    assert_eq!(load(&format!("secrets.key = '{KEY}'"), &[]).secrets.key.len(), 1);
    assert_eq!(load("secrets.key = ''", &[]).secrets.key.len(), 0);
    assert_eq!(load(&format!("secrets.key = '{KEY}'"), &[("MINTREU__SECRETS__KEY", "")]).secrets.key.len(), 0);
}

#[test]
fn a_header_with_nothing_under_it_is_fine() {
    load("[http]\n[payments.sandbox]\n", &[]);
}

#[test]
fn a_mistyped_key_is_told_with_the_one_that_was_meant() {
    assert_eq!(
        refused("[http]\n\nlistn = '127.0.0.1:1'\n", &[]),
        ["mintreu.toml:3: http.listn: there is no such key; did you mean http.listen?"]
    );
    assert_eq!(
        refused("", &[("MINTREU__HTTP__LISTN", "x")]),
        ["MINTREU__HTTP__LISTN: http.listn: there is no such key; did you mean MINTREU__HTTP__LISTEN?"]
    );
    assert_eq!(
        refused("listen = 'x'", &[]),
        ["mintreu.toml:1: listen: there is no such key; did you mean http.listen or metrics.listen?"]
    );
}

#[test]
fn an_unknown_key_or_section_is_told_with_those_there_are() {
    assert_eq!(
        refused("[database]\ncolour = 1", &[]),
        ["mintreu.toml:2: database.colour: there is no such key; [database] has database.group_age, \
          database.group_max, database.max_connections, database.patience, database.read_connections, database.url"]
    );
    let [line] = &refused("[smtp]\nrelay = 'x'", &[])[..] else { panic!("one problem") };
    assert!(
        line.starts_with("mintreu.toml:2: smtp.relay: there is no such key; the sections are api_keys, audit"),
        "{line}"
    );
    assert_eq!(refused("\"a\\nb\" = 1", &[]).len(), 1);
    assert!(refused("[smtp]", &[])[0].starts_with("mintreu.toml:1: smtp: there is no such key"));
}

#[test]
fn a_variable_with_single_underscores_is_told() {
    assert_eq!(
        refused("", &[("MINTREU_HTTP_PUBLIC_URL", "https://x")]),
        ["MINTREU_HTTP_PUBLIC_URL: is not read; did you mean MINTREU__HTTP__PUBLIC_URL?"]
    );
}

#[test]
fn a_section_is_no_value_and_a_value_no_section() {
    assert_eq!(
        refused("metrics = 5", &[]),
        ["mintreu.toml:1: metrics: is a section, not a value; its keys are metrics.listen"]
    );
    assert_eq!(
        refused("", &[("MINTREU__METRICS", "5")]),
        ["MINTREU__METRICS: metrics: is a section, not a value; its keys are MINTREU__METRICS__LISTEN"]
    );
    assert_eq!(
        refused("[http.listen]\nport = 5", &[]),
        ["mintreu.toml:2: http.listen.port: http.listen is a value, not a section"]
    );
    assert_eq!(refused("http.listen = {}", &[]).len(), 1);
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_its_place_and_the_right_form() {
    for (file, line) in [
        ("profile = 'prod'", r#"profile: "prod" is not one of "development", "production""#),
        ("profile = 1", r#"profile: must be one of the texts "development", "production""#),
        ("http.listen = 8080", "http.listen: is a whole number where a text in quotes is wanted"),
        (
            "http.listen = 'localhost'",
            r#"http.listen: "localhost" is not an address with a port; write for example "127.0.0.1:8080" or "[::]:8080""#,
        ),
        (
            "jobs.lease = 30",
            r#"jobs.lease: 30 has no unit; write a whole number with a unit: "250ms", "30s", "5m", "1h" or "7d""#,
        ),
        ("jobs.lease = true", "jobs.lease: is true or false where a duration is wanted"),
        ("jobs.concurrency = '3'", "jobs.concurrency: is a text where a whole number, not negative is wanted"),
        (
            "jobs.concurrency = 1.5",
            "jobs.concurrency: is a number with a fraction where a whole number, not negative is wanted",
        ),
        ("jobs.concurrency = -1", "jobs.concurrency: -1 is out of range: wanted is a whole number, not negative"),
        ("jobs.concurrency = 0", "jobs.concurrency: 0 is out of range: from 1 to 10000 is allowed"),
        ("licensing.cache_size = 0", "licensing.cache_size: 0 is out of range: from 1 to 10000000 is allowed"),
        (
            "licensing.stale_grace = '31d'",
            r#"licensing.stale_grace: "31d" is out of range: from "0s" to "30d" is allowed"#,
        ),
        ("usage.log = 'some'", r#"usage.log: "some" is not one of "off", "sample", "all""#),
        (
            "usage.sample_rate = 2.0",
            "usage.sample_rate: 2 is not a share: above 0 and up to 1 is allowed, 0.01 keeps one in a hundred",
        ),
        ("usage.journal_dir = ''", r#"usage.journal_dir: is empty; name a directory, for example "var/usage""#),
        ("payments.sandbox.enabled = 'yes'", "payments.sandbox.enabled: is a text where true or false is wanted"),
        (
            "database.url = 'mysql://h/n'",
            r#"database.url: "mysql" is not a kind of database that is known here; write "sqlite://FILE" or "postgres://USER:PASSWORD@HOST/NAME""#,
        ),
        ("shutdown.grace = '2h'", r#"shutdown.grace: "2h" is out of range: from "0s" to "1h" is allowed"#),
        ("http.body_limit = 5", r#"http.body_limit: "5" is out of range: from "1KiB" to "1GiB" is allowed"#),
        (
            "metrics.listen = '127.0.0.1:8080'",
            "metrics.listen: 127.0.0.1:8080 is http.listen's already; metrics need a port of their own",
        ),
        ("http.listen = 2026-01-01", "http.listen: is something else where a text in quotes is wanted"),
    ] {
        assert_eq!(refused(&format!("\n{file}"), &[]), [format!("mintreu.toml:2: {line}")]);
    }
}

#[test]
fn a_variable_of_the_wrong_kind_is_told_by_its_name() {
    for (name, value, line) in [
        ("MINTREU__JOBS__CONCURRENCY", "many", r#"jobs.concurrency: "many" is not a whole number"#),
        ("MINTREU__JOBS__CONCURRENCY", "", r#"jobs.concurrency: "" is not a whole number"#),
        ("MINTREU__PAYMENTS__SANDBOX__ENABLED", "yes", r#"payments.sandbox.enabled: "yes" is neither true nor false"#),
        ("MINTREU__USAGE__SAMPLE_RATE", "half", r#"usage.sample_rate: "half" is not a number"#),
        (
            "MINTREU__SECRETS__KEY",
            "hunter2",
            "secrets.key: not a key: write 32 bytes in base64 (44 characters) or hexadecimal (64), as `openssl rand -base64 32` does",
        ),
    ] {
        assert_eq!(refused("", &[(name, value)]), [format!("{name}: {line}")]);
    }
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let [line] = &refused("[http]\nlisten = \n", &[])[..] else { panic!("one problem") };
    assert!(line.starts_with("mintreu.toml:2: this is not TOML: "), "{line}");
    let [line] = &refused("[http]\nlisten = 'a'\nlisten = 'b'\n", &[])[..] else { panic!("one problem") };
    assert!(line.starts_with("mintreu.toml:3: this is not TOML: "), "{line}");
}

#[test]
fn all_problems_are_told_at_once() {
    let lines = refused("jobs.lease = 30\nusage.log = 'x'\ncolour = 1", &[("MINTREU__FLAGS__POLL_INTERVAL", "soon")]);
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn production_refuses_every_unsafe_default_at_once() {
    let env = [("MINTREU__PROFILE", "production"), ("MINTREU__METRICS__LISTEN", "0.0.0.0:9464")];
    let lines = refused("payments.sandbox.enabled = true", &env);
    for beginning in [
        "default: secrets.key: is not set; production needs a key",
        "mintreu.toml:1: payments.sandbox.enabled: is true; production takes no pretended payments",
        "default: http.public_url: \"http://127.0.0.1:8080\" is not https",
        "MINTREU__METRICS__LISTEN: metrics.listen: listens on every address",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(beginning)), "{beginning} is missing in {lines:#?}");
    }
    assert_eq!(lines.len(), 4);
}

#[test]
fn production_starts_with_what_it_asks_for() {
    let config = load("", &PRODUCTION);
    assert_eq!(config.profile, Profile::Production);
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
}

#[test]
fn a_refused_value_is_told_once() {
    let env = [PRODUCTION[0], PRODUCTION[2], ("MINTREU__HTTP__PUBLIC_URL", "shop")];
    assert_eq!(refused("", &env).len(), 1);
}

#[test]
fn no_output_holds_a_secret() {
    let env = [
        ("MINTREU__SECRETS__KEY", KEY),
        ("MINTREU__DATABASE__URL", "postgres://shop:hunter2@db/shop"),
        ("MINTREU__REDIS__URL", "redis://:hunter2@cache"),
        ("MINTREU__PAYMENTS__SANDBOX__WEBHOOK_SECRET", "hunter2"),
    ];
    let config = load("", &env);
    let outputs =
        [format!("{config:?}"), config.show(), serde_json::to_string(&config.settings()).expect("serialises")];
    for output in outputs {
        assert!(!output.contains("hunter2") && !output.contains(&KEY[..8]), "{output}");
    }
    assert!(config.show().contains(REDACTED));
    assert!(config.show().contains(r#"url = "postgres://shop:***@db/shop""#));
}

#[test]
fn the_listing_shows_every_key_in_the_built_in_order_and_can_be_read_again() {
    let config = load("jobs.lease = '20s'", &[]);
    let shown = config.show();
    assert!(shown.starts_with("profile = \"development\""), "{shown}");
    assert!(shown.contains("lease = \"20s\"") && shown.contains("# mintreu.toml:1"), "{shown}");
    let names = |text: &str| layers::order(text);
    assert_eq!(names(&shown), names(DEFAULT));
    let again = load(&shown.replace("[\"<redacted>\"]", "['x']"), &[]);
    assert_eq!(again.jobs.lease, config.jobs.lease);
}

#[test]
fn a_provider_that_is_on_lacks_nothing() {
    let lines = refused("payments.stripe.secret_key = 'sk_1'\npayments.paypal.client_id = 'c'", &[]).join("\n");
    for key in ["stripe.webhook_secret", "paypal.client_secret", "paypal.webhook_id"] {
        assert!(lines.contains(&format!("payments.{key}")), "{lines}");
    }
    let config = load("payments.stripe.secret_key = 'sk_1'\npayments.stripe.webhook_secret = ['a', 'b']", &[]);
    assert_eq!(config.payments.stripe.webhook_secret.len(), 2);
    assert!(!config.show().contains("sk_1") && config.show().contains("client_secret = \"\""), "{}", config.show());
    let lines = refused("payments.stripe.api_base = 'api.stripe.com'\npayments.inbox_retention = '1d'", &[]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn files_are_somewhere_and_come_from_where_they_may() {
    for (file, key) in [
        ("[storage]\nkind = 's3'", "storage.s3.bucket"),
        ("[storage.local]\npath = ''", "storage.local.path"),
        ("[storage.s3]\nbucket = 'b'\nsecret_key = 's'", "storage.s3.access_key"),
        ("[storage.s3]\nbucket = 'b'\naccess_key = 'a'", "storage.s3.secret_key"),
        ("[storage.s3]\nbucket = 'b'\naccess_key = 'a'\nsecret_key = 's'\nendpoint = 'x'", "storage.s3.endpoint"),
        ("[downloads]\nallow_networks = ['10.0.0.0/33']", "downloads.allow_networks"),
        ("[downloads]\naccel_redirect = 'internal'", "downloads.accel_redirect"),
        ("[downloads]\naccel_redirect = '/a b/'", "downloads.accel_redirect"),
        ("[downloads]\nlink_uses = 0", "downloads.link_uses"),
        ("[api_keys]\nper_license = 0", "api_keys.per_license"),
        ("[api_keys]\nrotation_overlap = '8d'", "api_keys.rotation_overlap"),
        ("[credentials]\ntimeout = '2m'", "credentials.timeout"),
        ("[downloads]\nmax_file = 1", "downloads.max_file"),
    ] {
        let lines = refused(file, &[]);
        assert!(lines.len() == 1 && lines[0].contains(key), "{file}: {lines:?}");
    }
    load("[storage.s3]\nbucket = 'b'\naccess_key = 'a'\nsecret_key = 's'\nendpoint = 'http://127.0.0.1:9000'", &[]);
    load("[downloads]\nallow_networks = ['10.0.0.0/8', '::1']\naccel_redirect = '/internal/'", &[]);
}

#[test]
fn production_speaks_to_providers_over_https_unless_they_are_on_this_machine() {
    for (base, is_safe) in [
        ("https://api.stripe.com", true),
        ("http://127.0.0.1:12111", true),
        ("http://[::1]:12111", true),
        ("http://api.stripe.com", false),
        ("http://127.0.0.1.example.com", false),
        ("http://localhost:1", false),
        ("http://10.0.0.1", false),
    ] {
        let sources = sources(&format!("payments.stripe.api_base = '{base}'"), &PRODUCTION);
        assert_eq!(Config::load(&sources).is_ok(), is_safe, "{base}");
        load(&format!("payments.stripe.api_base = '{base}'"), &[]);
    }
    let lines = refused("payments.paypal.certificate_roots = 'roots.pem'", &PRODUCTION);
    assert!(lines[0].contains("payments.paypal.certificate_roots"), "{lines:?}");
}

proptest::proptest! {
    /// Bad input is an error of at least one problem, each on one line; never a panic.
    #[test]
    fn whatever_is_written_is_read_or_refused(
        file in r"(\[?\[?[a-z.]{0,8}\]?\]?( ?= ?['0-9a-z\[\]{},.]{0,6})?\n?){0,4}",
        key in r"(HTTP|JOBS|SECRETS|USAGE|_){0,2}(__)?(LISTEN|LEASE|KEY|LOG|SAMPLE_RATE)?",
        value in r"\PC{0,12}",
    ) {
        if let Err(error) = Config::load(&sources(&file, &[(&format!("MINTREU__{key}"), &value)])) {
            proptest::prop_assert!(!error.problems.is_empty());
            proptest::prop_assert_eq!(error.to_string().lines().count(), error.problems.len());
        }
    }
}

#[test]
fn a_named_file_must_exist_and_the_implicit_one_need_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("missing.toml");
    let error = Sources::gather(Some(&missing), []).expect_err("missing").to_string();
    assert_eq!(error, format!("{}:1: there is no such file; mend the path after --config", missing.display()));
    let binary = dir.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe]).expect("written");
    assert!(Sources::gather(Some(&binary), []).expect_err("binary").to_string().contains("UTF-8"));
    assert!(Sources::gather(Some(dir.path()), []).expect_err("a directory").to_string().contains("cannot be read"));
    assert_eq!(read_file(None, &missing).expect("nothing to read"), None);
    fs::write(&missing, "x").expect("written");
    assert_eq!(read_file(None, &missing).expect("read"), Some((missing, "x".to_owned())));
}

#[test]
fn a_variable_that_is_no_text_is_told_and_those_of_others_are_not_looked_at() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(vec![0xff]);
    let error = Sources::gather(None, [("MINTREU__PROFILE".into(), odd())]).expect_err("no text");
    assert_eq!(error.to_string(), "MINTREU__PROFILE: is not UTF-8 text; set it anew");
    assert!(Sources::gather(None, [("LS_COLORS".into(), odd()), (odd(), odd())]).expect("not ours").env.is_empty());
}

#[test]
fn development_makes_a_key_once_and_a_configured_one_is_used_instead() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(KEY_FILE);
    let made = load("", &[]).keyring(&file).expect("made");
    let sealed = made.seal("c", b"value").expect("sealed");
    assert!(load("", &[]).keyring(&file).expect("read").is_current(&sealed));
    let configured = load("", &[("MINTREU__SECRETS__KEY", KEY)]).keyring(&file).expect("configured");
    assert!(!configured.is_current(&sealed), "the configured key is used, not the file's");
}

#[test]
fn proxies_are_addresses_or_networks_and_never_everybody() {
    let proxies = |file: &str, env: &[(&str, &str)]| {
        load(file, env).http.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(proxies("", &[]).is_empty());
    assert_eq!(proxies("[http]\ntrusted_proxies = ['127.0.0.1', '10.1.0.0/16']\n", &[]), ["127.0.0.1", "10.1.0.0/16"]);
    let env = [("MINTREU__HTTP__TRUSTED_PROXIES", "127.0.0.1, 2001:db8::/32")];
    assert_eq!(proxies("", &env), ["127.0.0.1", "2001:db8::/32"]);
    for (value, told) in [
        ("proxy.example.com", "192.0.2.0/24"),
        ("10.0.0.0/33", "192.0.2.0/24"),
        ("0.0.0.0/0", "every address"),
        ("::/0", "every address"),
    ] {
        let lines = refused("", &[("MINTREU__HTTP__TRUSTED_PROXIES", value)]);
        assert!(lines.len() == 1 && lines[0].contains("http.trusted_proxies"), "{value}: {lines:?}");
        assert!(lines[0].contains(told), "{value}: {lines:?}");
    }
}
