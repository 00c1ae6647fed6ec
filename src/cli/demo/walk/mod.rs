//! The walk: from signing up to books that balance, each step printed as it happens, and each held against what the shop
//! promises. Whatever does not hold ends it.

mod books;
mod files;
mod help;
mod person;
mod purchase;
mod services;

use serde_json::Value;

use super::{Failure, client::Client, mailbox::Mailbox, stock::Stocked, tell::Teller};
use crate::{
    app::App,
    kernel::{Currency, Money},
};

/// One walk through the shop.
struct Walk<'a> {
    app: &'a App,
    buyer: Client,
    operator: Client,
    mailbox: Mailbox,
    teller: Teller,
    /// The buyer's address.
    email: String,
}

/// Who walks where.
pub(super) struct Scene<'a> {
    pub(super) app: &'a App,
    pub(super) url: &'a str,
    pub(super) operator: Client,
    pub(super) mailbox: Mailbox,
    pub(super) teller: Teller,
    pub(super) files: Vec<Stocked>,
}

/// What is left to try: a key and what it is of.
pub(super) struct Left {
    pub(super) license_key: String,
    pub(super) email: String,
    pub(super) password: String,
}

/// Walks through the shop; fails where it does not keep its promise.
pub(super) async fn walk(scene: Scene<'_>) -> Result<Left, Failure> {
    let Scene { app, url, operator, mailbox, teller, files } = scene;
    let email = format!("ada-{}@demo.example", &app.db.ids().next_uuid().simple().to_string()[24..]);
    let mut walk = Walk { app, buyer: Client::new(url), operator, mailbox, teller, email };
    let password = person::sign_up(&mut walk).await?;
    person::browse(&mut walk).await?;
    let order = purchase::buy_programs(&mut walk, &files).await?;
    let license_key = purchase::use_license(&mut walk, &order).await?;
    files::download(&mut walk, &files).await?;
    let subscribed = services::subscribe(&mut walk).await?;
    let api = services::call_api(&mut walk).await?;
    help::ask(&mut walk, &order).await?;
    books::invoices(&mut walk, &[&order, &subscribed, &api]).await?;
    books::mails(&mut walk);
    books::account_for(&mut walk, &order).await?;
    Ok(Left { license_key, email: walk.email, password })
}

pub(super) fn missing(what: &str) -> Failure {
    Failure::failed(format!("the walk expected {what}"))
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| missing(&format!("a text instead of {value}")))
}

/// An amount, to stand below others.
fn amount(value: &Value) -> Result<String, Failure> {
    Ok(format!("{:>12}", money(value)?.to_string()))
}

fn money(value: &Value) -> Result<Money, Failure> {
    let currency: Currency = text(&value["currency"])?.parse().map_err(Failure::failed)?;
    let amount = value["amount"].as_i64().ok_or_else(|| missing("an amount"))?;
    Ok(Money::new(amount, currency))
}

/// The path of one of the shop's own addresses.
fn path_of(url: &Value) -> Result<String, Failure> {
    let (_, rest) = text(url)?.split_once("://").unwrap_or_default();
    let (_, path) = rest.split_once('/').ok_or_else(|| missing(&format!("an address instead of {url}")))?;
    Ok(format!("/{path}"))
}

/// The beginning of something long.
fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}
