use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    catalog::tax::Percent,
    invoices::{Buyer, Kind, Line, Seller, TaxSum},
    kernel::{Currency, Id},
};

/// A paper with so many lines, whose texts are all `text`.
fn paper(text: &str, lines: i64) -> Document {
    let percent = Percent::from_millionths(190_000);
    let line = Line {
        description: text.to_owned(),
        detail: text.to_owned(),
        quantity: 1,
        unit_amount: 1_999,
        discount: 0,
        percent,
        net: 1_999,
        tax: 380,
        total: 2_379,
    };
    Document {
        kind: Kind::Invoice,
        number: "INV-2026-000123".to_owned(),
        issued_on: "2026-11-21".to_owned(),
        supplied_on: "2026-11-21".to_owned(),
        order: Id::from_uuid(Uuid::from_u128(1)),
        payment: Id::from_uuid(Uuid::from_u128(2)),
        renewal_of: None,
        provider: "stripe".to_owned(),
        currency: Currency::EUR,
        seller: Seller {
            name: text.to_owned(),
            address: vec!["Hauptstraße 1".to_owned(), "10115 Berlin".to_owned()],
            country: Some("DE".to_owned()),
            vat_id: "DE123456789".to_owned(),
            ..Seller::default()
        },
        buyer: Buyer {
            name: Some(text.to_owned()),
            company: Some("Αθήνα Київ Ωμέγα Łódź".to_owned()),
            email: "ada@example.com".to_owned(),
            ..Buyer::default()
        },
        corrects: None,
        reason: None,
        prices_include_tax: false,
        reverse_charge: true,
        lines: (0..lines).map(|_| line.clone()).collect(),
        taxes: vec![TaxSum { name: "VAT".to_owned(), percent, net: 1_999 * lines, tax: 380 * lines }],
        net: 1_999 * lines,
        tax: 380 * lines,
        total: 2_379 * lines,
        notes: vec![text.to_owned()],
    }
}

fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.match_indices("/Type/Page").filter(|(at, found)| !text[at + found.len()..].starts_with('s')).count()
        + text.match_indices("/Type /Page").filter(|(at, found)| !text[at + found.len()..].starts_with('s')).count()
}

#[test]
fn the_same_paper_is_the_same_bytes() {
    let paper = paper("A lamp", 3);
    let first = pdf(&paper).expect("a PDF");
    assert!(first.starts_with(b"%PDF-"));
    assert_eq!(first, pdf(&paper).expect("a PDF"));
    let other = Document { number: "INV-2026-000124".to_owned(), ..paper };
    assert_ne!(first, pdf(&other).expect("a PDF"));
}

#[test]
fn a_long_paper_takes_more_sheets() {
    assert_eq!(pages(&pdf(&paper("A lamp", 1)).expect("a PDF")), 1);
    assert!(pages(&pdf(&paper("A lamp", 50)).expect("a PDF")) > 1);
}

#[test]
fn what_the_typeface_lacks_is_told() {
    let faces = typeface::Faces::load().expect("a typeface");
    let face = faces.face(typeface::Weight::Regular);
    assert_eq!(face.shown("Ąęł Ωμ Київ € ₹ ש ع"), ("Ąęł Ωμ Київ € ₹ ש ع".to_owned(), false));
    assert_eq!(face.shown("東京 🚀"), ("\u{fffd}\u{fffd} \u{fffd}".to_owned(), true));
    assert_eq!(face.shown("a\u{202e}b\u{0}c\u{200b}\td"), ("abc d".to_owned(), false));
    assert!(face.width("\u{fffd}", 9.0) > 0.0, "what stands for the unknown can be shown itself");
}

#[test]
fn lines_are_never_wider_than_they_may_be() {
    let faces = typeface::Faces::load().expect("a typeface");
    let face = faces.face(typeface::Weight::Bold);
    let word = "x".repeat(300);
    for text in ["a few words in a line that is too long", word.as_str(), "", "   "] {
        let lines = face.wrap(text, 9.0, 60.0);
        assert!(!lines.is_empty() && lines.iter().all(|line| face.width(line, 9.0) <= 60.0), "{lines:?}");
        let whole: String = lines.concat().chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(whole, text.chars().filter(|c| !c.is_whitespace()).collect::<String>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        prop_assert!(pdf(&paper(&text, 2)).is_ok());
    }
}
