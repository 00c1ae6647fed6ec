//! Taxes on what is sold: which rate holds for whom, and how much it comes to. Everything that knows of a rate is here.
//!
//! Promise: without rates nothing is taxed; a tax is reckoned once for each rate of an order and divided among its lines
//! without losing a unit; and an order keeps what it was reckoned with, whatever becomes of the rates.

mod edit;
mod import;
mod percent;
mod rate;
mod reckon;
mod vat_id;

use serde::{Deserialize, Serialize};

pub use crate::kernel::Country;
pub use edit::{Day, TaxRate, TaxRateFields, create_tax_rate, delete_tax_rate, patch_tax_rate, tax_rate, tax_rates};
pub use import::{TaxRatesImported, import_tax_rates};
pub use percent::{NoPercent, Percent};
pub use vat_id::{BadVatId, VatId};

pub(super) use rate::STANDARD;
pub(super) use reckon::apply;

use crate::text_enum;

/// The installation's own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaxRules {
    /// Whether prices contain the tax; else it comes on top of them.
    pub prices_include_tax: bool,
    /// Where the seller is; none if nothing is said, and then nothing is reverse-charged.
    pub seller: Option<Country>,
    /// Whether an order must say where its buyer is.
    pub country_required: bool,
}

/// Where a buyer is, as far as taxes are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxPlace {
    /// The country.
    pub country: Country,
    /// The part of it, in upper case; empty if nothing is said.
    pub region: String,
    /// A business's number, of the right form.
    pub vat_id: Option<VatId>,
}

/// What a cart is taxed by.
#[derive(Debug, Clone, Copy)]
pub struct Taxation<'a> {
    /// The installation's rules.
    pub rules: &'a TaxRules,
    /// Where the buyer is; the seller's country if nothing is said.
    pub place: Option<&'a TaxPlace>,
}

text_enum! {
    /// How an order is taxed.
    pub enum TaxTreatment {
        /// No rate holds for it.
        None = "none",
        /// By the rates of its place.
        Taxed = "taxed",
        /// Not by the seller: the buyer, a business in another country of the EU, owes it.
        ReverseCharge = "reverse_charge",
    }
}

impl TaxRules {
    /// Whether the buyer owes the tax: a business with a number, in the EU, but not in the seller's country.
    #[must_use]
    pub fn reverses(&self, place: &TaxPlace) -> bool {
        let number_is_of_there = place.vat_id.as_ref().is_some_and(|id| id.country() == place.country);
        let abroad = |seller: Country| seller.is_in_eu() && place.country.is_in_eu() && seller != place.country;
        number_is_of_there && self.seller.is_some_and(abroad)
    }
}
