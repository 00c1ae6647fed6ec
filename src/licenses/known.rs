//! All that a validation needs to know of a licence: read in one go, kept in memory, never changed.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::FromRow;

use super::{
    LicenseStatus,
    activate::ActivationId,
    maker::KeyHash,
    rules::{self, DomainRule},
    view::{Counted, PlanRef, ProductRef},
};
use crate::{
    catalog::LicenseType,
    db::{Db, DbError, Tx},
    fetch_all, fetch_optional,
    kernel::{LicenseId, Network, OrderId, PlanId, ProductId, TenantId, Time},
};

/// How many activations are kept in memory with their licence; those beyond are looked up when they are asked for.
pub(super) const PLACES: usize = 256;

/// A licence as programs ask for it.
#[derive(Debug)]
pub struct Known {
    pub(super) row: Row,
    /// The id as text, under which its validations are counted.
    pub(super) subject: Box<str>,
    product: Box<str>,
    pub(super) domains: Option<Box<[DomainRule]>>,
    pub(super) ips: Option<Box<[Network]>>,
    /// Where it is active, the newest first.
    pub(super) places: Box<[Place]>,
    /// Whether those are all of them.
    pub(super) complete: bool,
    /// What the public sees of it, and once its time is over.
    shown: Box<RawValue>,
    shown_expired: Box<RawValue>,
}

#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) id: LicenseId,
    pub(super) key_hash: String,
    pub(super) tenant_id: TenantId,
    pub(super) order_id: OrderId,
    pub(super) product_id: ProductId,
    pub(super) product_slug: String,
    pub(super) product_title: String,
    pub(super) plan_id: PlanId,
    pub(super) plan_name: String,
    pub(super) license_type: LicenseType,
    pub(super) status: LicenseStatus,
    pub(super) usage_count: i64,
    pub(super) max_usage: Option<i64>,
    pub(super) activation_count: i64,
    pub(super) max_activations: Option<i64>,
    pub(super) max_domains: Option<i64>,
    pub(super) max_ips: Option<i64>,
    pub(super) domains: String,
    pub(super) ips: String,
    pub(super) expires_at: Option<Time>,
    pub(super) created_at: Time,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT l.id, l.key_hash, l.tenant_id, l.order_id, l.product_id, p.slug AS product_slug,
                    p.title AS product_title, l.plan_id, n.name AS plan_name, l.type AS license_type, l.status,
                    l.usage_count, l.max_usage, l.activation_count, l.max_activations, l.max_domains, l.max_ips,
                    l.domains, l.ips, l.expires_at, l.created_at
             FROM licenses l JOIN products p ON p.id = l.product_id JOIN plans n ON n.id = l.plan_id
             WHERE l.key_hash = $1",
            $rest
        )
    };
}

/// Somewhere a licence is active.
#[derive(Debug, Clone, FromRow, Serialize, JsonSchema)]
#[schemars(rename = "LicenseInstance")]
pub struct Place {
    /// Which activation.
    pub id: ActivationId,
    /// What its program calls it.
    pub name: String,
    /// What its program knows the machine by.
    pub fingerprint: Option<String>,
    /// The host it serves.
    pub domain: Option<String>,
    #[serde(skip)]
    pub(super) ip: Option<String>,
    /// When it was activated.
    pub created_at: Time,
}

/// What the public sees of a licence.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublicLicense")]
pub struct Shown<'a> {
    /// Which one.
    pub id: LicenseId,
    /// Where it stands now.
    pub status: LicenseStatus,
    /// What it allows.
    #[serde(rename = "type")]
    pub license_type: LicenseType,
    /// Of what.
    pub product: &'a ProductRef,
    /// In which plan.
    pub plan: &'a PlanRef,
    /// Where it is active, and where at most.
    pub activations: Counted,
    /// What it was used for, and what for at most.
    pub usage: Counted,
    /// How many different domains at most.
    pub max_domains: Option<i64>,
    /// How many different addresses at most.
    pub max_ips: Option<i64>,
    /// When it ends; never if null.
    pub expires_at: Option<Time>,
    /// When it was issued.
    pub created_at: Time,
}

impl Known {
    pub(super) fn new(row: Row, places: Vec<Place>) -> Self {
        let product =
            ProductRef { id: row.product_id, slug: row.product_slug.clone(), title: row.product_title.clone() };
        let plan = PlanRef { id: row.plan_id, name: row.plan_name.clone() };
        let shown = |status| {
            let shown = Shown {
                id: row.id,
                status,
                license_type: row.license_type,
                product: &product,
                plan: &plan,
                activations: Counted { count: row.activation_count, limit: row.max_activations },
                usage: Counted { count: row.usage_count, limit: row.max_usage },
                max_domains: row.max_domains,
                max_ips: row.max_ips,
                expires_at: row.expires_at,
                created_at: row.created_at,
            };
            // Texts and numbers always serialise.
            serde_json::value::to_raw_value(&shown).unwrap_or_default()
        };
        Self {
            subject: row.id.to_string().into(),
            product: row.product_id.to_string().into(),
            domains: rules::stored(&row.domains),
            ips: rules::stored(&row.ips),
            complete: usize::try_from(row.activation_count).is_ok_and(|count| count <= places.len()),
            places: places.into(),
            shown_expired: shown(row.status.at(row.expires_at, Time::from_micros(i64::MAX))),
            shown: shown(row.status),
            row,
        }
    }

    /// Which licence.
    #[must_use]
    pub const fn id(&self) -> LicenseId {
        self.row.id
    }

    /// The id as text.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What the public sees of it at `now`, as JSON.
    #[must_use]
    pub fn shown(&self, now: Time) -> &RawValue {
        if self.row.status.at(self.row.expires_at, now) == self.row.status { &self.shown } else { &self.shown_expired }
    }

    /// Whether a product's id or name in addresses is that of its product.
    pub(super) fn is_of(&self, product: &str) -> bool {
        *self.product == *product || self.row.product_slug == product
    }
}

/// Reads a licence and where it is active.
pub(super) async fn read(db: &Db, hash: KeyHash) -> Result<Option<Known>, DbError> {
    let row: Option<Row> = fetch_optional!(db, sqlx::query_as(select!("")).bind(hash.to_text()))?;
    let Some(row) = row else { return Ok(None) };
    let places = if row.activation_count == 0 {
        Vec::new()
    } else {
        fetch_all!(
            db,
            sqlx::query_as(
                "SELECT id, name, fingerprint, domain, ip, created_at FROM license_activations
                 WHERE license_id = $1 AND deactivated_at IS NULL ORDER BY created_at DESC LIMIT $2"
            )
            .bind(row.id)
            .bind(i64::try_from(PLACES).unwrap_or(i64::MAX))
        )?
    };
    Ok(Some(Known::new(row, places)))
}

/// Reads a licence for a change that depends on it: until the transaction ends nobody else changes it.
pub(super) async fn lock(tx: &mut Tx, hash: KeyHash) -> Result<Option<Known>, DbError> {
    let statement = tx.dialect().pick(select!(""), select!(" FOR UPDATE OF l"));
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(statement).bind(hash.to_text()))?;
    Ok(row.map(|row| Known::new(row, Vec::new())))
}

/// An activation that is not kept in memory.
pub(super) async fn find_place(db: &Db, license: LicenseId, asked: &Asked<'_>) -> Result<Option<Place>, DbError> {
    match *asked {
        Asked::Instance(id) => {
            fetch_optional!(
                db,
                sqlx::query_as(
                    "SELECT id, name, fingerprint, domain, ip, created_at FROM license_activations
                     WHERE license_id = $1 AND id = $2 AND deactivated_at IS NULL"
                )
                .bind(license)
                .bind(id)
            )
        }
        Asked::Fingerprint(fingerprint) => {
            fetch_optional!(
                db,
                sqlx::query_as(
                    "SELECT id, name, fingerprint, domain, ip, created_at FROM license_activations
                     WHERE license_id = $1 AND fingerprint = $2 AND deactivated_at IS NULL"
                )
                .bind(license)
                .bind(fingerprint)
            )
        }
    }
}

/// By what a program names its activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// The id it was given.
    Instance(ActivationId),
    /// What it knows the machine by.
    Fingerprint(&'a str),
}

impl Known {
    /// The activation that a program names, if it is kept in memory.
    pub(super) fn place(&self, asked: &Asked<'_>) -> Option<&Place> {
        self.places.iter().find(|place| match asked {
            Asked::Instance(id) => place.id == *id,
            Asked::Fingerprint(fingerprint) => place.fingerprint.as_deref() == Some(fingerprint),
        })
    }

    /// How many different hosts other than `domain` it is active on.
    pub(super) fn other_domains(&self, domain: &str) -> usize {
        distinct(self.places.iter().filter_map(|place| place.domain.as_deref()), domain)
    }

    /// How many different addresses other than `ip` it is active from.
    pub(super) fn other_ips(&self, ip: IpAddr) -> usize {
        distinct(self.places.iter().filter_map(|place| place.ip.as_deref()), &ip.to_canonical().to_string())
    }
}

fn distinct<'a>(all: impl Iterator<Item = &'a str>, but: &str) -> usize {
    all.filter(|one| *one != but).collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
impl Known {
    /// Some licence.
    pub(super) fn sample() -> Self {
        let row = Row {
            id: LicenseId::from_uuid(uuid::Uuid::from_u128(1)),
            key_hash: String::new(),
            tenant_id: TenantId::from_uuid(uuid::Uuid::from_u128(2)),
            order_id: OrderId::from_uuid(uuid::Uuid::from_u128(3)),
            product_id: ProductId::from_uuid(uuid::Uuid::from_u128(4)),
            product_slug: "thing".to_owned(),
            product_title: "A thing".to_owned(),
            plan_id: PlanId::from_uuid(uuid::Uuid::from_u128(5)),
            plan_name: "Standard".to_owned(),
            license_type: LicenseType::Regular,
            status: LicenseStatus::Active,
            usage_count: 0,
            max_usage: None,
            activation_count: 0,
            max_activations: None,
            max_domains: None,
            max_ips: None,
            domains: "[]".to_owned(),
            ips: "[]".to_owned(),
            expires_at: None,
            created_at: Time::default(),
        };
        Self::new(row, Vec::new())
    }
}
