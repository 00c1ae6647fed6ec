//! What a type cannot say: ranges, values that contradict each other, and what production refuses.

use std::{fmt, net::IpAddr, ops::RangeInclusive, time::Duration};

use super::{
    Config, MailKind, Profile, StorageKind,
    layers::Layers,
    problem::{Origin, Problem, env_name},
    urls::PublicUrl,
    values::{Bytes, show_duration},
};
use crate::kernel::{Network, hook::HookSecret};

/// Everything that is wrong with a configuration whose types are right.
pub(super) fn check(config: &Config, layers: &Layers) -> Vec<Problem> {
    let mut found = Found { layers, problems: Vec::new() };
    ranges(config, &mut found);
    contradictions(config, &mut found);
    if config.profile == Profile::Production {
        production(config, &mut found);
    }
    found.problems
}

struct Found<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, key: &str, what: String) {
        let origin = self.layers.get(key).map_or(Origin::Default, |leaf| leaf.origin.clone());
        self.problems.push(Problem { origin, key: key.to_owned(), what });
    }

    #[expect(clippy::needless_pass_by_value, reason = "a range reads better written in place")]
    fn range<T: PartialOrd>(&mut self, key: &str, value: T, allowed: RangeInclusive<T>, show: impl Fn(&T) -> String) {
        if !allowed.contains(&value) {
            let (low, high) = (show(allowed.start()), show(allowed.end()));
            self.add(key, format!("{} is out of range: from {low} to {high} is allowed", show(&value)));
        }
    }

    fn duration(&mut self, key: &str, value: Duration, allowed: RangeInclusive<Duration>) {
        self.range(key, value, allowed, |value| format!("{:?}", show_duration(*value)));
    }
}

fn number(value: &impl fmt::Display) -> String {
    value.to_string()
}

fn ranges(config: &Config, found: &mut Found<'_>) {
    let (millis, secs) = (Duration::from_millis, Duration::from_secs);
    let (minute, hour, day) = (secs(60), secs(3_600), secs(86_400));
    let Config { http, shop, database, jobs, usage, .. } = config;
    found.range("http.body_limit", http.body_limit, Bytes(1 << 10)..=Bytes(1 << 30), |size| {
        format!("{:?}", number(size))
    });
    found.range("shop.commission_bps", shop.commission_bps, 0..=10_000, number);
    found.duration("shop.payout_hold", shop.payout_hold, Duration::ZERO..=day * 365);
    found.duration("shop.order_expiry", shop.order_expiry, minute..=day * 90);
    found.duration("http.header_timeout", http.header_timeout, millis(100)..=hour);
    found.duration("http.request_timeout", http.request_timeout, millis(100)..=hour);
    found.range("database.max_connections", database.max_connections, 1..=10_000, number);
    found.range("database.read_connections", database.read_connections, 1..=1_000, number);
    found.range("database.group_max", database.group_max, 1..=65_536, number);
    found.duration("database.group_age", database.group_age, millis(0)..=secs(1));
    found.duration("database.patience", database.patience, millis(10)..=hour);
    found.duration("jobs.lease", jobs.lease, millis(100)..=day);
    found.range("jobs.concurrency", jobs.concurrency, 1..=10_000, number);
    found.duration("jobs.poll_interval", jobs.poll_interval, millis(10)..=hour);
    found.duration("jobs.retention_completed", jobs.retention_completed, millis(0)..=day * 3_650);
    found.duration("jobs.retention_discarded", jobs.retention_discarded, millis(0)..=day * 3_650);
    found.duration("jobs.retention_events", jobs.retention_events, millis(0)..=day * 3_650);
    found.duration("usage.flush_interval", usage.flush_interval, millis(10)..=hour);
    found.duration("usage.fsync_interval", usage.fsync_interval, millis(1)..=minute);
    found.duration("audit.seal_interval", config.audit.seal_interval, millis(10)..=minute);
    found.duration("flags.poll_interval", config.flags.poll_interval, millis(10)..=minute);
    found.duration("payments.timeout", config.payments.timeout, millis(100)..=secs(25));
    found.duration("payments.reconcile_interval", config.payments.reconcile_interval, secs(1)..=hour);
    found.duration("payments.breaker_rest", config.payments.breaker_rest, millis(100)..=hour);
    found.duration("payments.inbox_retention", config.payments.inbox_retention, day * 7..=day * 3_650);
    found.range("licensing.cache_size", config.licensing.cache_size, 1..=10_000_000, number);
    found.duration("licensing.stale_grace", config.licensing.stale_grace, millis(0)..=day * 30);
    let downloads = &config.downloads;
    found.duration("downloads.link_ttl", downloads.link_ttl, secs(10)..=day * 30);
    found.range("downloads.link_uses", downloads.link_uses, 1..=1_000, number);
    found.range("downloads.max_file", downloads.max_file, Bytes(1 << 10)..=Bytes(1 << 40), |size| {
        format!("{:?}", number(size))
    });
    found.duration("downloads.verify_every", downloads.verify_every, minute..=day * 365);
    found.duration("downloads.log_retention", downloads.log_retention, day..=day * 3_650);
    found.duration("downloads.timeout", downloads.timeout, millis(100)..=minute * 10);
    keys(config, found);
    mail(config, found);
    support(config, found);
    invoices(config, found);
    found.duration("privacy.export_ttl", config.privacy.export_ttl, hour..=day * 30);
    found.duration("privacy.deletion_grace", config.privacy.deletion_grace, millis(0)..=day * 30);
    found.duration("shutdown.grace", config.shutdown.grace, millis(0)..=hour);
    if !(usage.sample_rate > 0.0 && usage.sample_rate <= 1.0) {
        let what = format!(
            "{} is not a share: above 0 and up to 1 is allowed, 0.01 keeps one in a hundred",
            usage.sample_rate
        );
        found.add("usage.sample_rate", what);
    }
}

fn keys(config: &Config, found: &mut Found<'_>) {
    let (minute, day) = (Duration::from_mins(1), Duration::from_hours(24));
    let (keys, credentials) = (&config.api_keys, &config.credentials);
    found.range("api_keys.per_license", keys.per_license, 1..=1_000, number);
    found.duration("api_keys.max_overlap", keys.max_overlap, Duration::ZERO..=day * 90);
    found.duration("api_keys.rotation_overlap", keys.rotation_overlap, Duration::ZERO..=keys.max_overlap);
    found.range("api_keys.cache_size", keys.cache_size, 1..=10_000_000, number);
    found.duration("credentials.timeout", credentials.timeout, Duration::from_millis(100)..=minute);
    found.duration("credentials.sync_every", credentials.sync_every, minute..=day * 30);
    found.duration("credentials.expired_grace", credentials.expired_grace, Duration::ZERO..=day * 365);
}

fn mail(config: &Config, found: &mut Found<'_>) {
    let secrets = &config.mail.report_secret;
    // One that is empty, as the environment gives it, is none.
    let none = matches!(secrets.as_slice(), [only] if only.expose().is_empty());
    if !none && secrets.iter().any(|secret| secret.expose().parse::<HookSecret>().is_err()) {
        let what = "holds a text that is no secret; write `whsec_` and 24 to 64 bytes in base64";
        found.add("mail.report_secret", what.to_owned());
    }
}

fn support(config: &Config, found: &mut Found<'_>) {
    let (minute, day) = (Duration::from_mins(1), Duration::from_hours(24));
    let support = &config.support;
    for (key, size) in
        [("support.attachment_size", support.attachment_size), ("support.inbound_size", support.inbound_size)]
    {
        found.range(key, size, Bytes(1 << 10)..=Bytes(100 << 20), |size| format!("{:?}", number(size)));
    }
    found.range("support.attachments_per_message", support.attachments_per_message, 0..=20, number);
    found.range("support.tickets_per_hour", support.tickets_per_hour, 1..=10_000, number);
    found.duration("support.close_after", support.close_after, minute..=day * 365);
    for (name, targets) in [("first_response", &support.first_response), ("resolution", &support.resolution)] {
        let all =
            [("low", targets.low), ("normal", targets.normal), ("high", targets.high), ("urgent", targets.urgent)];
        for (priority, target) in all {
            found.duration(&format!("support.{name}.{priority}"), target, minute..=day * 365);
        }
    }
    // A token takes 47 of the 64 characters that may stand before the @.
    let name = support.mail_address.split_once('@').map(|(name, host)| (name, host.is_empty()));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if !matches!(name, Some((name, false)) if (1..=16).contains(&name.len()))
        || !support.mail_address.chars().all(plain)
        || support.mail_address.matches('@').count() != 1
    {
        let what = format!(
            r#"{:?} is no address with at most 16 characters before its @; write for example "support@example.com""#,
            support.mail_address
        );
        found.add("support.mail_address", what);
    }
    if support.inbound_secret.len() > 1 && support.inbound_secret.iter().any(|secret| secret.expose().is_empty()) {
        found.add("support.inbound_secret", "holds an empty text; take it out of the list".to_owned());
    }
}

/// What is printed is short, and numbers of different papers differ.
fn invoices(config: &Config, found: &mut Found<'_>) {
    let Config { seller, invoices, .. } = config;
    found.duration("invoices.interval", invoices.interval, Duration::from_millis(10)..=Duration::from_hours(1));
    let prefixes =
        [("invoices.prefix", &invoices.prefix), ("invoices.credit_note_prefix", &invoices.credit_note_prefix)];
    for (key, prefix) in prefixes {
        let plain = prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !plain || !(1..=10).contains(&prefix.len()) {
            found.add(key, format!(r#"{prefix:?} is not 1 to 10 of A-Z and 0-9; write for example "INV""#));
        }
    }
    if invoices.prefix == invoices.credit_note_prefix {
        let what = "is invoices.prefix too; invoices and credit notes are counted apart";
        found.add("invoices.credit_note_prefix", what.to_owned());
    }
    let line = |text: &String| text.chars().count() <= 150 && !text.chars().any(char::is_control);
    let texts = [
        ("seller.name", &seller.name),
        ("seller.vat_id", &seller.vat_id),
        ("seller.registration", &seller.registration),
        ("seller.email", &seller.email),
    ];
    for (key, _) in texts.into_iter().filter(|(_, text)| !line(text)) {
        found.add(key, "is no line of 150 characters at most".to_owned());
    }
    for (key, lines, most) in [("seller.address", &seller.address, 6), ("invoices.notes", &invoices.notes, 10)] {
        if lines.len() > most || !lines.iter().all(line) {
            found.add(key, format!("is more than {most} lines, or one is longer than 150 characters"));
        }
    }
}

fn contradictions(config: &Config, found: &mut Found<'_>) {
    if config.metrics.listen.is_some_and(|metrics| metrics == config.http.listen && metrics.port() != 0) {
        let what = format!("{} is http.listen's already; metrics need a port of their own", config.http.listen);
        found.add("metrics.listen", what);
    }
    if config.http.trusted_proxies.iter().any(Network::is_everywhere) {
        let what = "trusts every address, so that anybody could claim to be anybody; name the proxies alone";
        found.add("http.trusted_proxies", what.to_owned());
    }
    if config.usage.journal_dir.as_os_str().is_empty() {
        found.add("usage.journal_dir", r#"is empty; name a directory, for example "var/usage""#.to_owned());
    }
    if config.mail.kind == MailKind::Smtp && config.mail.smtp.url.is_none() {
        let what = r#"is empty while mail.kind is "smtp"; write for example "smtps://USER:PASSWORD@mail.example.com""#;
        found.add("mail.smtp.url", what.to_owned());
    }
    let patience = config.mail.smtp.timeout;
    if !(Duration::from_millis(100)..=Duration::from_secs(25)).contains(&patience) {
        // A try takes seven of them at most, and has three minutes.
        found.add("mail.smtp.timeout", r#"must be from "100ms" to "25s""#.to_owned());
    }
    if config.mail.file.path.as_os_str().is_empty() {
        found.add("mail.file.path", r#"is empty; name a directory, for example "var/mail""#.to_owned());
    }
    files(config, found);
    let keys = &config.secrets.key;
    if keys.iter().enumerate().any(|(place, key)| keys[..place].contains(key)) {
        found.add("secrets.key", "names the same key twice; keep the first".to_owned());
    }
    providers(config, found);
    let sandbox = &config.payments.sandbox;
    if sandbox.enabled && !sandbox.webhook_secret.iter().any(|secret| !secret.expose().is_empty()) {
        let what = "is empty while the sandbox is enabled; set a text that its webhooks are signed with";
        found.add("payments.sandbox.webhook_secret", what.to_owned());
    }
    if sandbox.webhook_secret.len() > 1 && sandbox.webhook_secret.iter().any(|secret| secret.expose().is_empty()) {
        found.add("payments.sandbox.webhook_secret", "holds an empty text; take it out of the list".to_owned());
    }
}

/// Files are somewhere, and what is fetched comes from where it may.
fn files(config: &Config, found: &mut Found<'_>) {
    let (storage, downloads) = (&config.storage, &config.downloads);
    if storage.local.path.as_os_str().is_empty() {
        found.add("storage.local.path", r#"is empty; name a directory, for example "var/files""#.to_owned());
    }
    let s3 = &storage.s3;
    if s3.bucket.is_empty() {
        if storage.kind == StorageKind::S3 {
            found.add("storage.s3.bucket", r#"is empty while storage.kind is "s3"; name the bucket"#.to_owned());
        }
    } else {
        let needed = [
            ("storage.s3.region", s3.region.is_empty()),
            ("storage.s3.access_key", s3.access_key.is_empty()),
            ("storage.s3.secret_key", s3.secret_key.expose().is_empty()),
        ];
        for (key, _) in needed.into_iter().filter(|(_, lacks)| *lacks) {
            found.add(key, "is empty while storage.s3.bucket is set".to_owned());
        }
        if !s3.endpoint.is_empty() && s3.endpoint.parse::<PublicUrl>().is_err() {
            let what = format!(r#"{:?} is no address; write for example "https://minio.example.com""#, s3.endpoint);
            found.add("storage.s3.endpoint", what);
        }
    }
    for network in downloads.allow_networks.iter().filter(|network| network.parse::<Network>().is_err()) {
        let what = format!(r#"{network:?} is neither an address nor a network; write for example "10.1.0.0/16""#);
        found.add("downloads.allow_networks", what);
    }
    let place = &downloads.accel_redirect;
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    if !(place.is_empty() || place.starts_with('/') && place.ends_with('/') && place.bytes().all(sane)) {
        let what = format!(r#"{place:?} is no path that begins and ends with a slash; write for example "/internal/""#);
        found.add("downloads.accel_redirect", what);
    }
}

/// A provider that is on lacks nothing, and is somewhere.
fn providers(config: &Config, found: &mut Found<'_>) {
    let (stripe, paypal) = (&config.payments.stripe, &config.payments.paypal);
    for (key, url) in [("payments.stripe.api_base", &stripe.api_base), ("payments.paypal.api_base", &paypal.api_base)] {
        if url.parse::<PublicUrl>().is_err() {
            let what = format!(r#"{url:?} is not the URL of an API; write for example "https://api.example.com""#);
            found.add(key, what);
        }
    }
    if !stripe.secret_key.expose().is_empty() {
        let secrets = &stripe.webhook_secret;
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose().is_empty()) {
            let what =
                "is empty while payments.stripe.secret_key is set; set what Stripe shows for the webhook's endpoint";
            found.add("payments.stripe.webhook_secret", what.to_owned());
        }
    }
    if !paypal.client_id.is_empty() {
        let empty = "is empty while payments.paypal.client_id is set; set what PayPal shows for the application";
        if paypal.client_secret.expose().is_empty() {
            found.add("payments.paypal.client_secret", empty.to_owned());
        }
        if paypal.webhook_id.is_empty() || paypal.webhook_id.contains('|') {
            found.add("payments.paypal.webhook_id", empty.to_owned());
        }
    }
}

/// Keys and payments travel to it: in the clear only within the machine.
fn is_safe_base(url: &str) -> bool {
    let host = url.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
    let name = |host: &str| match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default().to_owned(),
        None => host.split(':').next().unwrap_or_default().to_owned(),
    };
    host.is_none_or(|host| name(host).parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// What is convenient for development and dangerous for everyone else.
fn production(config: &Config, found: &mut Found<'_>) {
    if config.secrets.key.is_empty() {
        let what = format!(
            "is not set; production needs a key that outlives this machine: set {} to what `openssl rand -base64 32` \
             prints, and keep a copy",
            env_name("secrets.key")
        );
        found.add("secrets.key", what);
    }
    if config.payments.sandbox.enabled {
        let what = "is true; production takes no pretended payments: set it to false";
        found.add("payments.sandbox.enabled", what.to_owned());
    }
    let (stripe, paypal) = (&config.payments.stripe, &config.payments.paypal);
    for (key, url) in [("payments.stripe.api_base", &stripe.api_base), ("payments.paypal.api_base", &paypal.api_base)] {
        if !is_safe_base(url) {
            found.add(key, format!("{url:?} is not https; production sends keys and payments there"));
        }
    }
    if !paypal.certificate_roots.as_os_str().is_empty() {
        let what = "names other authorities for PayPal's webhooks; that is for tests: set it to \"\"";
        found.add("payments.paypal.certificate_roots", what.to_owned());
    }
    if !config.http.public_url.is_https() {
        let what = format!(
            r#""{}" is not https; production sends session cookies and licence keys: write for example "https://shop.example.com""#,
            config.http.public_url
        );
        found.add("http.public_url", what);
    }
    if config.metrics.listen.is_some_and(|metrics| metrics.ip().is_unspecified()) {
        let what =
            "listens on every address; in production name the private one that is scraped, such as \"127.0.0.1:9464\"";
        found.add("metrics.listen", what.to_owned());
    }
}
