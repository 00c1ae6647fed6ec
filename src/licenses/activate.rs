//! Activation: a licence takes a place somewhere, and gives it back. A limit holds however many ask at once.

use std::net::IpAddr;

use serde_json::json;

use super::{
    change::{Action, Change, Touched, record},
    known::{Asked, Known, Place, lock},
    maker::KeyHash,
    validate::{Code, Question, admit},
};
use crate::{
    db::{DbError, Tx},
    execute, fetch_one, fetch_optional, id_type,
    kernel::{LicenseId, TenantId, Time},
};

id_type!(ActivationId, Activation, "act", "A place where a licence is active.");

/// Who wants to be active.
#[derive(Debug, Clone)]
pub struct NewPlace<'a> {
    /// What it is asked besides: product, host, address.
    pub question: Question<'a>,
    /// What the program calls it.
    pub name: &'a str,
    /// What the program knows the machine by: the same again is the same place.
    pub fingerprint: Option<&'a str>,
    /// What the program tells of its surroundings: a JSON object.
    pub server_info: &'a str,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Activated {
    /// It takes a place now.
    New(Place),
    /// It had one.
    Already(Place),
    /// It may not.
    Refused(Code),
}

/// Takes a place for a licence.
pub async fn activate(tx: &mut Tx, hash: KeyHash, new: &NewPlace<'_>) -> Result<Activated, DbError> {
    let Some(license) = lock(tx, hash).await? else { return Ok(Activated::Refused(Code::NotFound)) };
    let now = tx.now();
    if let Err(code) = admit(&license, &new.question, now) {
        return Ok(Activated::Refused(code));
    }
    if let Some(fingerprint) = new.fingerprint
        && let Some(place) = find(tx, license.id(), &Asked::Fingerprint(fingerprint)).await?
    {
        return Ok(Activated::Already(place));
    }
    let place = Place {
        id: tx.new_id(),
        name: new.name.to_owned(),
        fingerprint: new.fingerprint.map(str::to_owned),
        domain: new.question.domain.as_ref().map(|domain| domain.as_str().to_owned()),
        ip: new.question.ip.map(|ip| IpAddr::to_canonical(&ip).to_string()),
        created_at: now,
    };
    if !take(tx, license.id(), &place, new.server_info).await? {
        return full(tx, &license, &place).await.map(Activated::Refused);
    }
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO license_activations (id, license_id, name, fingerprint, domain, ip, server_info, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        )
        .bind(place.id)
        .bind(license.id())
        .bind(&place.name)
        .bind(&place.fingerprint)
        .bind(&place.domain)
        .bind(&place.ip)
        .bind(new.server_info)
        .bind(now)
    )?;
    let told = json!({ "activation": place.id, "name": place.name, "domain": place.domain });
    record(tx, &[touched(&license)], Action::Activated, &BY_KEY, &told).await?;
    Ok(Activated::New(place))
}

/// Programs act by the key alone.
const BY_KEY: Change = Change::by(crate::audit::Actor::system("licenses.api"));

/// Counts one more place, if there is room: the one statement that decides.
async fn take(tx: &mut Tx, license: LicenseId, place: &Place, server_info: &str) -> Result<bool, DbError> {
    let taken = execute!(
        tx,
        sqlx::query(
            "UPDATE licenses SET activation_count = activation_count + 1, server_info = $5, updated_at = $2,
                 revision = revision + 1
             WHERE id = $1 AND status = 'active' AND (expires_at IS NULL OR expires_at > $2)
                   AND (max_activations IS NULL OR activation_count < max_activations)
                   AND ($3 IS NULL OR max_domains IS NULL OR max_domains >
                        (SELECT COUNT(DISTINCT a.domain) FROM license_activations a
                         WHERE a.license_id = $1 AND a.deactivated_at IS NULL AND a.domain <> $3))
                   AND ($4 IS NULL OR max_ips IS NULL OR max_ips >
                        (SELECT COUNT(DISTINCT a.ip) FROM license_activations a
                         WHERE a.license_id = $1 AND a.deactivated_at IS NULL AND a.ip <> $4))"
        )
        .bind(license)
        .bind(place.created_at)
        .bind(&place.domain)
        .bind(&place.ip)
        .bind(server_info)
    )?;
    Ok(taken == 1)
}

/// Which limit it was.
async fn full(tx: &mut Tx, license: &Known, place: &Place) -> Result<Code, DbError> {
    let row = &license.row;
    if row.max_activations.is_some_and(|limit| row.activation_count >= limit) {
        return Ok(Code::TooManyMachines);
    }
    let (Some(limit), Some(domain)) = (row.max_domains, &place.domain) else { return Ok(Code::TooManyIps) };
    let others: i64 = fetch_one!(
        tx,
        sqlx::query_scalar(
            "SELECT COUNT(DISTINCT domain) FROM license_activations
             WHERE license_id = $1 AND deactivated_at IS NULL AND domain <> $2"
        )
        .bind(row.id)
        .bind(domain)
    )?;
    Ok(if others >= limit { Code::TooManyDomains } else { Code::TooManyIps })
}

/// What became of giving a place back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deactivated {
    /// The place is free.
    Done(ActivationId),
    /// There is no such place, or no such licence.
    Refused(Code),
}

/// Gives a place back, by the key. A licence that is not good any more can still do it.
pub async fn deactivate(tx: &mut Tx, hash: KeyHash, asked: &Asked<'_>) -> Result<Deactivated, DbError> {
    let Some(license) = lock(tx, hash).await? else { return Ok(Deactivated::Refused(Code::NotFound)) };
    let Some(place) = find(tx, license.id(), asked).await? else { return Ok(Deactivated::Refused(Code::NoMachine)) };
    let freed = free(tx, &touched(&license), place.id, &BY_KEY).await?;
    Ok(if freed { Deactivated::Done(place.id) } else { Deactivated::Refused(Code::NoMachine) })
}

/// Gives a place back, by the owner. The hash that caches must forget; none if there is no such place.
pub async fn deactivate_owned(
    tx: &mut Tx,
    tenant: TenantId,
    license: LicenseId,
    place: ActivationId,
    change: &Change,
) -> Result<Option<super::Stepped>, DbError> {
    let statement = tx.dialect().pick(
        "SELECT id, key_hash, tenant_id, order_id, product_id FROM licenses WHERE id = $1 AND tenant_id = $2",
        "SELECT id, key_hash, tenant_id, order_id, product_id FROM licenses WHERE id = $1 AND tenant_id = $2 FOR UPDATE",
    );
    let owned: Option<Touched> = fetch_optional!(tx, sqlx::query_as(statement).bind(license).bind(tenant))?;
    let Some(owned) = owned else { return Ok(None) };
    let freed = free(tx, &owned, place, change).await?;
    Ok(freed.then(|| super::Stepped(owned.hash())))
}

/// Ends an activation and counts it off, once. The licence is locked.
async fn free(tx: &mut Tx, license: &Touched, place: ActivationId, change: &Change) -> Result<bool, DbError> {
    let now: Time = tx.now();
    let ended = execute!(
        tx,
        sqlx::query(
            "UPDATE license_activations SET deactivated_at = $3
             WHERE id = $1 AND license_id = $2 AND deactivated_at IS NULL"
        )
        .bind(place)
        .bind(license.id)
        .bind(now)
    )?;
    if ended == 0 {
        return Ok(false);
    }
    execute!(
        tx,
        sqlx::query(
            "UPDATE licenses SET activation_count = activation_count - 1, updated_at = $2, revision = revision + 1
             WHERE id = $1"
        )
        .bind(license.id)
        .bind(now)
    )?;
    record(tx, std::slice::from_ref(license), Action::Deactivated, change, &json!({ "activation": place })).await?;
    Ok(true)
}

async fn find(tx: &mut Tx, license: LicenseId, asked: &Asked<'_>) -> Result<Option<Place>, DbError> {
    match *asked {
        Asked::Instance(id) => {
            fetch_optional!(
                tx,
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
                tx,
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

fn touched(license: &Known) -> Touched {
    let row = &license.row;
    Touched {
        id: row.id,
        key_hash: row.key_hash.clone(),
        tenant_id: row.tenant_id,
        order_id: row.order_id,
        product_id: row.product_id,
        // Where it is active is no vendor's business.
        followed: false,
    }
}
