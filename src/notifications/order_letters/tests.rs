//! Every letter, as its reader sees it.

use uuid::Uuid;

use super::*;
use crate::notifications::{
    AlreadyRegisteredLetter, ClaimPurchasesLetter, PasswordChangedLetter, ResetPasswordLetter, VerifyEmailLetter,
};

fn written(letter: &impl Write) -> String {
    let head = Letterhead { shop: "Ada's shop".to_owned(), url: "https://shop.example.com".to_owned() };
    let letter = letter.write(&head, "ada@example.com").expect("written");
    assert_eq!(letter.to, "ada@example.com");
    format!("Subject: {}\n\n{}", letter.subject, letter.text)
}

fn money(amount: i64) -> Money {
    Money::new(amount, "EUR".parse().expect("a currency"))
}

fn march() -> Time {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

#[test]
fn letters_about_accounts() {
    let (name, token) = (Some("Ada".to_owned()), "0123abcd".to_owned());
    insta::assert_snapshot!(written(&VerifyEmailLetter { name: name.clone(), token: token.clone() }));
    insta::assert_snapshot!(written(&ResetPasswordLetter { name: name.clone(), token: token.clone() }));
    insta::assert_snapshot!(written(&AlreadyRegisteredLetter { name: name.clone() }));
    insta::assert_snapshot!(written(&PasswordChangedLetter { name }));
    insta::assert_snapshot!(written(&ClaimPurchasesLetter { token, expires_at: march() }));
}

#[test]
fn letters_about_orders() {
    let order = OrderId::from_uuid(Uuid::from_u128(1));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let line = |plan: &str, keys: &[&str], files: &[&str]| OrderLine {
        title: "Editor & <Tools>".to_owned(),
        plan: plan.to_owned(),
        quantity: 2,
        keys: texts(keys),
        files: texts(files),
        downloads: (!files.is_empty()).then(|| "https://shop.example.com/api/products/editor/sources".to_owned()),
    };
    let mut fulfilled = OrderFulfilledLetter {
        name: Some("Ada".to_owned()),
        order,
        lines: vec![
            line("Yearly", &["MINTREU-A", "MINTREU-B"], &["Linux, 64 bit (2.1.0)", "editor.zip"]),
            line("", &[], &[]),
        ],
        total: money(3998),
        claim_token: None,
    };
    insta::assert_snapshot!(written(&fulfilled));
    (fulfilled.name, fulfilled.claim_token) = (None, Some("0123abcd".to_owned()));
    insta::assert_snapshot!(written(&fulfilled));
    for revoked in [true, false] {
        insta::assert_snapshot!(written(&OrderRefundedLetter { name: None, order, amount: money(1999), revoked }));
    }
    let reason = "It was paid with another amount.".to_owned();
    insta::assert_snapshot!(written(&OrderNeedsAttentionLetter { order, reason }));
}

#[test]
fn letters_about_licences_and_subscriptions() {
    for (days, renews) in [(30, false), (1, true)] {
        insta::assert_snapshot!(written(&LicenseExpiringLetter {
            name: Some("Ada".to_owned()),
            license: LicenseId::from_uuid(Uuid::from_u128(2)),
            product: "Editor".to_owned(),
            key: "MINTREU-…-ABCD".to_owned(),
            days,
            expires_at: march(),
            renews,
        }));
    }
    let subscription = SubscriptionId::from_uuid(Uuid::from_u128(3));
    for next_try in [Some(march()), None] {
        let (name, product) = (Some("Ada".to_owned()), "Editor".to_owned());
        insta::assert_snapshot!(written(&RenewalFailedLetter {
            name,
            subscription,
            product,
            amount: money(999),
            next_try
        }));
    }
    let product = "Editor".to_owned();
    insta::assert_snapshot!(written(&SubscriptionEndedLetter { name: None, subscription, product, ended_at: march() }));
}
