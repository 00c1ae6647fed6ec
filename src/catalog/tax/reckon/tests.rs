use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    catalog::{BillingCycle, LicenseType, Limits},
    kernel::Id,
};

fn line(gross: i64, discount: i64, category: &str) -> Line {
    Line {
        product: Id::from_uuid(Uuid::from_u128(1)),
        plan: Id::from_uuid(Uuid::from_u128(2)),
        developer: Id::from_uuid(Uuid::from_u128(3)),
        title: "A thing".to_owned(),
        plan_name: "Plan".to_owned(),
        billing: BillingCycle::OneTime,
        trial_days: None,
        license_type: LicenseType::Regular,
        limits: Limits::default(),
        quantity: 1,
        unit_amount: gross,
        discount,
        tax: 0,
        tax_included: 0,
        tax_rate: Percent::default(),
        tax_name: String::new(),
        tax_category: category.to_owned(),
        total: gross - discount,
        commission_bps: 0,
    }
}

fn rates(all: &[(&str, i64)]) -> Vec<Holding> {
    all.iter().map(|(category, rate)| Holding::new("", category, "VAT", *rate)).collect()
}

#[test]
fn a_rate_is_rounded_once_for_an_order() {
    // Ten lines of 3 cents at 19 %: 0.57 each would be 1 cent ten times; together it is 5.7 cents.
    let mut lines = vec![line(3, 0, "standard"); 10];
    assert_eq!(reckon(&rates(&[("standard", 190_000)]), false, &mut lines), TaxTreatment::Taxed);
    assert_eq!(lines.iter().map(|line| line.tax).sum::<i64>(), 6);
    assert!(lines.iter().all(|line| line.total == 3 + line.tax && line.tax <= 1 && line.tax_included == 0));
}

#[test]
fn each_rate_is_for_its_own_lines() {
    let mut lines = vec![line(10_000, 1_000, "standard"), line(5_000, 0, "books"), line(7_000, 0, "free")];
    let rates = rates(&[("standard", 190_000), ("books", 70_000), ("free", 0)]);
    reckon(&rates, false, &mut lines);
    assert_eq!(lines.iter().map(|line| line.tax).collect::<Vec<_>>(), [1_710, 350, 0]);
    assert_eq!(lines[2].tax_name, "VAT", "a rate of nothing is a rate");
    let mut included = vec![line(11_900, 0, "standard"), line(10_700, 0, "books")];
    reckon(&rates, true, &mut included);
    let of = |line: &Line| (line.tax, line.tax_included, line.total);
    assert_eq!(included.iter().map(of).collect::<Vec<_>>(), [(0, 1_900, 11_900), (0, 700, 10_700)]);
}

#[test]
fn without_a_rate_nothing_is_taxed() {
    let mut lines = vec![line(10_000, 0, "standard")];
    let before = lines.clone();
    assert_eq!(reckon(&[], false, &mut lines), TaxTreatment::None);
    assert_eq!(reckon(&rates(&[("books", 70_000)]), true, &mut lines), TaxTreatment::None);
    assert_eq!(lines, before);
}

proptest! {
    #[test]
    fn the_parts_are_the_tax_of_the_sum(
        amounts in prop::collection::vec((0..1_000_000_i64, 0..=100_i64, any::<bool>()), 1..20),
        rate in 0..=1_000_000_i64,
        prices_include_tax: bool,
    ) {
        let rates = rates(&[("standard", rate), ("books", rate / 2)]);
        let category = |book: bool| if book { "books" } else { "standard" };
        let mut lines: Vec<Line> = amounts
            .iter()
            .map(|(gross, percent, book)| line(*gross, gross * percent / 100, category(*book)))
            .collect();
        reckon(&rates, prices_include_tax, &mut lines);
        for (book, rate) in [(false, rate), (true, rate / 2)] {
            let own = || lines.iter().filter(move |line| line.tax_category == category(book));
            let paid: i64 = own().map(|line| line.unit_amount - line.discount).sum();
            let rate = Percent::from_millionths(rate);
            let (tax, included): (i64, i64) =
                own().fold((0, 0), |sum, line| (sum.0 + line.tax, sum.1 + line.tax_included));
            // Both categories may bear the same rate, and are one then.
            if rates[0].percent() != rates[1].percent() {
                let expected = if prices_include_tax { (0, rate.within(paid)) } else { (rate.on(paid), 0) };
                prop_assert_eq!((tax, included), expected);
            }
        }
        for line in &lines {
            prop_assert_eq!(line.total, line.unit_amount - line.discount + line.tax);
            prop_assert!(line.tax >= 0 && (0..=line.total).contains(&line.tax_included));
        }
    }
}
