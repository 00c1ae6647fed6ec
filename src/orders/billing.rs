//! Whom an order is billed to: said by the buyer, looked at, and kept beside the order as it was.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    catalog::{
        Checks, EditError,
        tax::{Country, TaxPlace, VatId},
    },
    db::{AppendTable, Column, Tx},
    kernel::OrderId,
};

/// What a buyer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// A person.
    #[serde(default)]
    pub name: Option<String>,
    /// A business.
    #[serde(default)]
    pub company: Option<String>,
    /// Where they are.
    #[serde(default)]
    pub address: Address,
    /// In which country.
    pub country: Country,
    /// The business's number. In the EU, one in the form of its country; elsewhere any text.
    #[serde(default)]
    pub vat_id: Option<String>,
}

/// An address, below its country.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BillingAddress")]
pub struct Address {
    /// Street and number.
    #[serde(default)]
    pub line1: Option<String>,
    /// What else leads there.
    #[serde(default)]
    pub line2: Option<String>,
    /// The town.
    #[serde(default)]
    pub city: Option<String>,
    /// A state, a province: taxes may differ by it.
    #[serde(default)]
    pub region: Option<String>,
    /// The postcode.
    #[serde(default)]
    pub postcode: Option<String>,
}

/// What a buyer said, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    billing: Billing,
    place: TaxPlace,
    seen_from: Option<IpAddr>,
}

impl Billing {
    /// Looks at what was said, and from which address; blanks at ends are taken off, and empty texts count as not said.
    pub fn check(mut self, seen_from: Option<IpAddr>) -> Result<Billed, EditError> {
        let address = &mut self.address;
        let fields = [
            ("billing/name", &mut self.name, 150),
            ("billing/company", &mut self.company, 150),
            ("billing/address/line1", &mut address.line1, 150),
            ("billing/address/line2", &mut address.line2, 150),
            ("billing/address/city", &mut address.city, 100),
            ("billing/address/region", &mut address.region, 50),
            ("billing/address/postcode", &mut address.postcode, 20),
            ("billing/vat_id", &mut self.vat_id, 40),
        ];
        let mut checks = Checks::default();
        for (name, field, longest) in fields {
            let text = field.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            checks.line(name, text.as_deref().unwrap_or_default(), 0..=longest);
            *field = text;
        }
        let vat_id = match &self.vat_id {
            Some(text) if self.country.is_in_eu() => match text.parse::<VatId>() {
                Ok(id) if id.country() == self.country => Some(id),
                Ok(_) => {
                    checks.add("billing/vat_id", "a number of the billing country; its prefix says another");
                    None
                }
                Err(wrong) => {
                    checks.add("billing/vat_id", wrong.to_string());
                    None
                }
            },
            _ => None,
        };
        checks.done()?;
        if let Some(id) = &vat_id {
            self.vat_id = Some(id.to_string());
        }
        let region = self.address.region.as_deref().unwrap_or_default().to_uppercase();
        let place = TaxPlace { country: self.country, region, vat_id };
        Ok(Billed { billing: self, place, seen_from })
    }
}

static BILLING: AppendTable = AppendTable::new(
    "order_billing",
    &[
        ("order_id", Column::Uuid),
        ("name", Column::Text),
        ("company", Column::Text),
        ("line1", Column::Text),
        ("line2", Column::Text),
        ("city", Column::Text),
        ("region", Column::Text),
        ("postcode", Column::Text),
        ("country", Column::Text),
        ("vat_id", Column::Text),
        ("evidence", Column::Text),
        ("created_at", Column::Time),
    ],
)
.referring(1);

impl Billed {
    /// Where the buyer is, as far as taxes are concerned.
    #[must_use]
    pub const fn place(&self) -> &TaxPlace {
        &self.place
    }

    /// Keeps it with the order, and what speaks for the place: what was said, and the address it was said from.
    pub(super) fn keep(&self, tx: &mut Tx, order: OrderId) {
        let Billing { name, company, address, country, vat_id } = &self.billing;
        let evidence = json!({
            "billing_country": country,
            "vat_id": self.place.vat_id,
            // The register is not asked.
            "vat_id_checked": self.place.vat_id.as_ref().map(|_| "format"),
            "ip": self.seen_from,
        });
        let now = tx.now();
        tx.append(&BILLING, |row| {
            row.uuid(order.uuid())
                .text(name.as_deref())
                .text(company.as_deref())
                .text(address.line1.as_deref())
                .text(address.line2.as_deref())
                .text(address.city.as_deref())
                .text(address.region.as_deref())
                .text(address.postcode.as_deref())
                .text(country.code())
                .text(vat_id.as_deref())
                .text(evidence.to_string().as_str())
                .time(now);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: serde_json::Value) -> Result<Billed, Vec<String>> {
        let billing: Billing = serde_json::from_value(value).expect("the shape of one");
        billing.check(None).map_err(|error| match error {
            EditError::Invalid(flaws) => flaws.into_iter().map(|flaw| flaw.pointer).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_number_is_of_its_country() {
        let billed = said(json!({ "country": "at", "vat_id": "atu 12345678", "name": "  " })).expect("right");
        assert_eq!(billed.billing.vat_id.as_deref(), Some("ATU12345678"));
        assert_eq!(billed.billing.name, None);
        let swiss = said(json!({ "country": "CH", "vat_id": "CHE-123.456.789 MWST" })).expect("right");
        assert_eq!((swiss.place.vat_id, swiss.billing.vat_id.is_some()), (None, true));
        for wrong in ["DE123456789", "ATU1", "x"] {
            assert_eq!(said(json!({ "country": "AT", "vat_id": wrong })), Err(vec!["#/billing/vat_id".to_owned()]));
        }
    }

    #[test]
    fn texts_are_bounded_lines() {
        let long = "x".repeat(151);
        let wrong = json!({ "country": "DE", "name": long, "company": "a\nb", "address": { "city": "a\u{0}" } });
        assert_eq!(
            said(wrong),
            Err(["name", "company", "address/city"].map(|field| format!("#/billing/{field}")).to_vec())
        );
    }
}
