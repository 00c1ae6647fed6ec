//! Where files are and how buyers get them, as it is configured.

use crate::{
    cli::{Failure, open},
    config::Config,
    db::Db,
    downloads::{DownloadOptions, Downloads, Origin, OriginOptions},
    kernel::{Network, seal::Keyring},
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
    Ok(Downloads::new(db.clone(), keys.clone(), open::stores(config), origin, options))
}
