//! The shop as it is configured.

use crate::{app::Shop, config::Config};

pub(super) fn shop(config: &Config) -> Shop {
    let shop = &config.shop;
    Shop {
        name: shop.name.clone(),
        public_url: config.http.public_url.as_str().trim_end_matches('/').to_owned(),
        operators: shop.operators.clone(),
        profile: config.profile,
    }
}
