//! Taxes and invoices as they are configured.

use crate::{
    catalog::tax::TaxRules,
    config::Config,
    invoices::{DeskOptions, Seller},
};

pub(super) const fn tax_rules(config: &Config) -> TaxRules {
    TaxRules {
        prices_include_tax: config.tax.prices_include_tax,
        seller: config.seller.country,
        country_required: config.tax.country_required,
    }
}

pub(super) fn desk(config: &Config) -> DeskOptions {
    let (seller, invoices) = (&config.seller, &config.invoices);
    let name = if seller.name.is_empty() { &config.shop.name } else { &seller.name };
    DeskOptions {
        prefix: invoices.prefix.clone(),
        credit_note_prefix: invoices.credit_note_prefix.clone(),
        seller: Seller {
            name: name.clone(),
            address: seller.address.clone(),
            country: seller.country.map(|country| country.to_string()),
            vat_id: seller.vat_id.clone(),
            registration: seller.registration.clone(),
            email: seller.email.clone(),
        },
        notes: invoices.notes.clone(),
        interval: invoices.interval,
    }
}
