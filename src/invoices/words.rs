//! What a paper says, in the words and figures that HTML and PDF share.

use super::{
    Document, Kind,
    document::{REVERSE_CHARGE, amount},
};

/// A line of the table.
pub(super) struct Row {
    pub(super) description: String,
    pub(super) detail: String,
    pub(super) quantity: String,
    pub(super) unit: String,
    pub(super) discount: String,
    pub(super) percent: String,
    pub(super) total: String,
}

/// What stands for nothing in a table.
const NOTHING: &str = "–";

impl Document {
    fn figure(&self, minor: i64) -> String {
        amount(minor, self.currency)
    }

    /// Who sells, line by line.
    pub(super) fn from(&self) -> Vec<String> {
        let seller = &self.seller;
        let labelled =
            [("VAT number ", seller.vat_id.as_str()), ("", seller.registration.as_str()), ("", seller.email.as_str())];
        let mut lines = vec![seller.name.clone()];
        lines.extend(seller.address.iter().cloned());
        lines.extend(seller.country.clone());
        lines
            .extend(labelled.iter().filter(|(_, text)| !text.is_empty()).map(|(label, text)| format!("{label}{text}")));
        lines
    }

    /// Who bought, line by line.
    pub(super) fn to(&self) -> Vec<String> {
        let buyer = &self.buyer;
        let mut lines: Vec<String> = [&buyer.company, &buyer.name].into_iter().flatten().cloned().collect();
        lines.extend(buyer.address.iter().cloned());
        lines.extend(buyer.country.clone());
        lines.extend(buyer.vat_id.as_ref().map(|id| format!("VAT number {id}")));
        lines.push(buyer.email.clone());
        lines
    }

    /// What the column of unit prices is called.
    pub(super) const fn unit_heading(&self) -> &'static str {
        if self.prices_include_tax { "Unit, tax incl." } else { "Unit price" }
    }

    /// The table.
    pub(super) fn rows(&self) -> Vec<Row> {
        let row = |line: &super::Line| {
            // Lines sum to the net total where tax comes on top, and to the total where prices contain it.
            let sum = if self.prices_include_tax { line.total } else { line.net };
            Row {
                description: line.description.clone(),
                detail: line.detail.clone(),
                quantity: line.quantity.to_string(),
                unit: self.figure(line.unit_amount),
                discount: if line.discount == 0 { NOTHING.to_owned() } else { self.figure(-line.discount) },
                percent: if self.taxes.is_empty() { NOTHING.to_owned() } else { format!("{} %", line.percent) },
                total: self.figure(sum),
            }
        };
        self.lines.iter().map(row).collect()
    }

    /// Net, and the tax of each rate.
    pub(super) fn sums(&self) -> Vec<(String, String)> {
        let mut sums = vec![("Net".to_owned(), self.figure(self.net))];
        for sum in &self.taxes {
            let label = format!("{} {} % of {}", sum.name, sum.percent, self.figure(sum.net));
            sums.push((label, self.figure(sum.tax)));
        }
        if self.taxes.is_empty() {
            sums.push(("Tax".to_owned(), self.figure(0)));
        }
        sums
    }

    /// The total.
    pub(super) fn sum(&self) -> String {
        self.figure(self.total)
    }

    /// What else has to be said.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.reverse_charge {
            remarks.push(REVERSE_CHARGE.to_owned());
        }
        if let Some(subscription) = &self.renewal_of {
            remarks.push(format!("For a further period of subscription {subscription}."));
        }
        if let Some(reason) = &self.reason {
            remarks.push(format!("Reason: {reason}"));
        }
        if self.kind == Kind::Invoice {
            remarks.push(format!("Paid in full through {}. Nothing is due.", self.provider));
        }
        remarks
    }
}
