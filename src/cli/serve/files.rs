//! Where files are and how buyers get them, as it is configured.

use std::sync::Arc;

use crate::{
    cli::Failure,
    config::{Config, StorageKind},
    db::Db,
    downloads::{DownloadOptions, Downloads, Origin, OriginOptions},
    kernel::{Network, seal::Keyring},
    storage::{LocalStorage, S3Options, S3Storage, Storage, Stores},
};

pub(super) fn downloads(config: &Config, db: &Db, keys: &Keyring) -> Result<Downloads, Failure> {
    let settings = &config.downloads;
    let allow = settings.allow_networks.iter().map(|network| network.parse::<Network>()).collect::<Result<_, _>>();
    let allow = allow.map_err(|error| Failure::usage(format!("downloads.allow_networks: {error}")))?;
    let origin = Origin::new(OriginOptions { patience: settings.timeout, allow }).map_err(Failure::failed)?;
    let options = DownloadOptions {
        public_url: config.http.public_url.as_str().trim_end_matches('/').to_owned(),
        link_ttl: settings.link_ttl,
        link_uses: settings.link_uses,
        max_file: settings.max_file.0 as u64,
        verify_every: settings.verify_every,
        log_retention: settings.log_retention,
        accel_redirect: Some(settings.accel_redirect.clone()).filter(|place| !place.is_empty()),
    };
    Ok(Downloads::new(db.clone(), keys.clone(), stores(config), origin, options))
}

fn stores(config: &Config) -> Stores {
    let (storage, s3) = (&config.storage, &config.storage.s3);
    let bucket = (!s3.bucket.is_empty()).then(|| {
        let bucket = S3Storage::new(S3Options {
            bucket: s3.bucket.clone(),
            region: s3.region.clone(),
            endpoint: Some(s3.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            access_key: s3.access_key.clone(),
            secret_key: s3.secret_key.clone(),
            path_style: s3.path_style,
            patience: config.downloads.timeout,
        });
        Arc::new(bucket) as Arc<dyn Storage>
    });
    Stores {
        local: Arc::new(LocalStorage::new(&storage.local.path)),
        s3: bucket,
        prefers_s3: storage.kind == StorageKind::S3,
    }
}
