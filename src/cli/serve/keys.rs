//! API keys and credentials, as they are configured.

use crate::{
    api_keys::{ApiKeys, KeyOptions},
    config::Config,
    credentials::{CredentialOptions, Credentials},
    db::Db,
    downloads::Downloads,
    kernel::seal::Keyring,
    licenses::LicenseCache,
};

pub(super) fn api_keys(config: &Config, db: &Db, keys: &Keyring, licenses: &LicenseCache) -> ApiKeys {
    let settings = &config.api_keys;
    let options = KeyOptions {
        per_license: settings.per_license,
        overlap: settings.rotation_overlap,
        max_overlap: settings.max_overlap,
        cache_size: settings.cache_size,
        stale_grace: config.licensing.stale_grace,
        verifications_per_minute: settings.verifications_per_minute,
    };
    ApiKeys::new(db.clone(), keys, licenses.clone(), options)
}

pub(super) fn credentials(config: &Config, db: &Db, keys: &Keyring, downloads: &Downloads) -> Credentials {
    let settings = &config.credentials;
    let options = CredentialOptions {
        timeout: settings.timeout,
        sync_every: settings.sync_every,
        expired_grace: settings.expired_grace,
    };
    Credentials::new(db.clone(), keys.clone(), downloads.origin().clone(), options)
}
