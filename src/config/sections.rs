//! The sections of `config.toml`, one struct each; what the keys mean is written there.

#![expect(missing_docs, reason = "config.toml documents every key line by line; saying it twice would let them differ")]

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    mail::{Sender, SmtpUrl},
    urls::{DatabaseUrl, PublicUrl, RedisUrl},
    values::{self, Bytes, LogFilter},
};
use crate::{
    kernel::{Country, Currency, Network, Secret, SecretKey},
    text_enum,
};

/// How strict the program is with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Works out of the box.
    Development,
    /// Refuses unsafe defaults.
    Production,
}

impl Profile {
    /// As it is written in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }

    /// What differs from `config.toml` in this profile.
    pub(super) const fn overrides(self) -> &'static str {
        match self {
            Self::Development => "",
            Self::Production => "telemetry.log_format = 'json'\npayments.sandbox.enabled = false\n",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    #[serde(with = "values::listen")]
    pub listen: SocketAddr,
    pub public_url: PublicUrl,
    pub trusted_proxies: Vec<Network>,
    pub body_limit: Bytes,
    #[serde(with = "values::duration")]
    pub header_timeout: Duration,
    #[serde(with = "values::duration")]
    pub request_timeout: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    pub name: String,
    pub currency: Currency,
    pub commission_bps: i64,
    #[serde(with = "values::duration")]
    pub payout_hold: Duration,
    #[serde(with = "values::duration")]
    pub order_expiry: Duration,
    pub partial_refund: PartialRefund,
    pub late_payment: LatePayment,
    pub operators: Vec<String>,
}

text_enum! {
    /// What a partial refund does to what was bought.
    pub enum PartialRefund {
        /// Nothing.
        Keep = "keep",
        /// The same as a full one.
        Revoke = "revoke",
    }
}

text_enum! {
    /// What becomes of money for an order that had ended unpaid.
    pub enum LatePayment {
        /// The order is paid after all.
        Settle = "settle",
        /// The money goes back.
        Refund = "refund",
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seller {
    pub name: String,
    pub address: Vec<String>,
    #[serde(with = "values::optional")]
    pub country: Option<Country>,
    pub vat_id: String,
    pub registration: String,
    pub email: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tax {
    pub prices_include_tax: bool,
    pub country_required: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoices {
    pub prefix: String,
    pub credit_note_prefix: String,
    pub notes: Vec<String>,
    #[serde(with = "values::duration")]
    pub interval: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    #[serde(with = "values::optional_listen")]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: DatabaseUrl,
    pub max_connections: u32,
    pub read_connections: u32,
    pub group_max: usize,
    #[serde(with = "values::duration")]
    pub group_age: Duration,
    #[serde(with = "values::duration")]
    pub patience: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    #[serde(with = "values::optional")]
    pub url: Option<RedisUrl>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    #[serde(with = "values::duration")]
    pub lease: Duration,
    pub concurrency: usize,
    #[serde(with = "values::duration")]
    pub poll_interval: Duration,
    #[serde(with = "values::duration")]
    pub retention_completed: Duration,
    #[serde(with = "values::duration")]
    pub retention_discarded: Duration,
    #[serde(with = "values::duration")]
    pub retention_events: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub journal_dir: PathBuf,
    #[serde(with = "values::duration")]
    pub flush_interval: Duration,
    #[serde(with = "values::duration")]
    pub fsync_interval: Duration,
    pub log: UsageLog,
    pub sample_rate: f64,
}

/// Which single calls are kept beside the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageLog {
    /// None.
    Off,
    /// The share that `sample_rate` says.
    Sample,
    /// Every one.
    All,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    #[serde(with = "values::duration")]
    pub seal_interval: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flags {
    #[serde(with = "values::duration")]
    pub poll_interval: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licensing {
    pub cache_size: usize,
    #[serde(with = "values::duration")]
    pub stale_grace: Duration,
    pub validations_per_minute_per_key: u32,
    pub validations_per_minute_per_address: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    pub kind: StorageKind,
    pub local: StorageLocal,
    pub s3: StorageS3,
}

text_enum! {
    /// Where uploaded files go.
    pub enum StorageKind {
        /// Into a directory.
        Local = "local",
        /// Into a bucket.
        S3 = "s3",
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageLocal {
    pub path: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageS3 {
    pub bucket: String,
    pub region: String,
    pub endpoint: String,
    pub access_key: String,
    #[serde(with = "values::secret_text")]
    pub secret_key: Secret<String>,
    pub path_style: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downloads {
    #[serde(with = "values::duration")]
    pub link_ttl: Duration,
    pub link_uses: i64,
    pub max_file: Bytes,
    #[serde(with = "values::duration")]
    pub verify_every: Duration,
    #[serde(with = "values::duration")]
    pub log_retention: Duration,
    #[serde(with = "values::duration")]
    pub timeout: Duration,
    pub allow_networks: Vec<String>,
    pub accel_redirect: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    pub per_license: i64,
    #[serde(with = "values::duration")]
    pub rotation_overlap: Duration,
    #[serde(with = "values::duration")]
    pub max_overlap: Duration,
    pub cache_size: usize,
    pub verifications_per_minute: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    #[serde(with = "values::duration")]
    pub timeout: Duration,
    #[serde(with = "values::duration")]
    pub sync_every: Duration,
    #[serde(with = "values::duration")]
    pub expired_grace: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub log_filter: LogFilter,
    pub log_format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// For machines: one object per line.
    Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub kind: MailKind,
    pub report_secret: Vec<Secret<String>>,
    pub file: MailFile,
    pub smtp: MailSmtp,
}

text_enum! {
    /// Where mails go.
    pub enum MailKind {
        /// Into a directory.
        File = "file",
        /// To a server that sends them.
        Smtp = "smtp",
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailFile {
    pub path: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSmtp {
    #[serde(with = "values::optional")]
    pub url: Option<SmtpUrl>,
    pub ca_file: PathBuf,
    pub from: Sender,
    #[serde(with = "values::duration")]
    pub timeout: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    #[serde(with = "values::duration")]
    pub timeout: Duration,
    #[serde(with = "values::duration")]
    pub reconcile_interval: Duration,
    #[serde(with = "values::duration")]
    pub breaker_rest: Duration,
    #[serde(with = "values::duration")]
    pub inbox_retention: Duration,
    pub stripe: StripeSection,
    pub paypal: PaypalSection,
    pub sandbox: Sandbox,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeSection {
    pub api_base: String,
    #[serde(with = "values::secret_text")]
    pub secret_key: Secret<String>,
    pub webhook_secret: Vec<Secret<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaypalSection {
    pub api_base: String,
    pub client_id: String,
    #[serde(with = "values::secret_text")]
    pub client_secret: Secret<String>,
    pub webhook_id: String,
    pub certificate_roots: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    pub enabled: bool,
    pub webhook_secret: Vec<Secret<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    pub attachment_size: Bytes,
    pub attachments_per_message: usize,
    pub tickets_per_hour: u32,
    #[serde(with = "values::duration")]
    pub close_after: Duration,
    pub contact: String,
    pub mail_address: String,
    pub inbound_secret: Vec<Secret<String>>,
    pub inbound_size: Bytes,
    pub first_response: SupportTargets,
    pub resolution: SupportTargets,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportTargets {
    #[serde(with = "values::duration")]
    pub low: Duration,
    #[serde(with = "values::duration")]
    pub normal: Duration,
    #[serde(with = "values::duration")]
    pub high: Duration,
    #[serde(with = "values::duration")]
    pub urgent: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    #[serde(with = "values::duration")]
    pub export_ttl: Duration,
    #[serde(with = "values::duration")]
    pub deletion_grace: Duration,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    pub key: Vec<SecretKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    #[serde(with = "values::duration")]
    pub grace: Duration,
}
