//! How much tax an order bears.
//!
//! The rule of rounding: for each rate of an order once, on the sum of its lines after discounts, half up; the result is
//! divided among the lines by their amounts (largest remainder). So the summary of an invoice is exact to the unit, and the
//! lines sum to it. Rounding each line by itself was rejected: ten lines of a cent would each lose their tax.

use super::{
    Percent, TaxPlace, TaxTreatment, Taxation,
    rate::{self, Holding},
};
use crate::{
    catalog::Line,
    db::{Db, DbError},
    kernel::money,
};

/// Taxes the lines of a cart, whose discounts are taken off: at most one statement, none without a place.
pub(in crate::catalog) async fn apply(
    db: &Db,
    taxation: Option<Taxation<'_>>,
    lines: &mut [Line],
) -> Result<TaxTreatment, DbError> {
    let Some(Taxation { rules, place }) = taxation else { return Ok(TaxTreatment::None) };
    let at_home = rules.seller.map(|country| TaxPlace { country, region: String::new(), vat_id: None });
    let Some(place) = place.or(at_home.as_ref()) else { return Ok(TaxTreatment::None) };
    if rules.reverses(place) {
        return Ok(TaxTreatment::ReverseCharge);
    }
    Ok(reckon(&rate::holding(db, place).await?, rules.prices_include_tax, lines))
}

fn reckon(rates: &[Holding], prices_include_tax: bool, lines: &mut [Line]) -> TaxTreatment {
    let mut treatment = TaxTreatment::None;
    for line in lines.iter_mut() {
        if let Some(rate) = rate::rate_for(rates, &line.tax_category) {
            treatment = TaxTreatment::Taxed;
            line.tax_rate = rate.percent();
            line.tax_name.clone_from(&rate.name);
        }
    }
    let mut kinds: Vec<(String, Percent)> = lines.iter().map(|line| (line.tax_name.clone(), line.tax_rate)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (name, rate) in kinds {
        let same = |line: &Line| line.tax_rate == rate && line.tax_name == name;
        let amounts: Vec<i64> = lines.iter().map(|line| if same(line) { line.total } else { 0 }).collect();
        let sum: i64 = amounts.iter().sum();
        let tax = if prices_include_tax { rate.within(sum) } else { rate.on(sum) };
        for (line, part) in lines.iter_mut().zip(money::allocate(tax, &amounts)) {
            if prices_include_tax {
                line.tax_included += part;
            } else {
                line.tax += part;
                line.total = line.total.saturating_add(part);
            }
        }
    }
    treatment
}

#[cfg(test)]
mod tests;
