//! Validation: what a licence says to a program that asks, decided in memory.

use std::{net::IpAddr, sync::Arc};

use super::{
    LicenseStatus,
    known::{Asked, Known, Place},
    rules::Domain,
};
use crate::{kernel::Time, text_enum};

text_enum! {
    /// What became of a question; Keygen's codes where Keygen has one. Programs read `valid`, people the code.
    #[schemars(rename = "ValidationCode")]
    pub enum Code {
        /// Good.
        Valid = "VALID",
        /// There is no such licence.
        NotFound = "NOT_FOUND",
        /// It is not good yet.
        Pending = "PENDING",
        /// An operator has stopped it.
        Suspended = "SUSPENDED",
        /// Its time is over.
        Expired = "EXPIRED",
        /// Its subscription ended.
        Cancelled = "CANCELLED",
        /// It was taken back.
        Revoked = "REVOKED",
        /// It is of another product.
        ProductScopeMismatch = "PRODUCT_SCOPE_MISMATCH",
        /// It is bound to hosts, and the question names none.
        DomainScopeRequired = "DOMAIN_SCOPE_REQUIRED",
        /// It is bound to other hosts.
        DomainScopeMismatch = "DOMAIN_SCOPE_MISMATCH",
        /// It is bound to other addresses.
        IpScopeMismatch = "IP_SCOPE_MISMATCH",
        /// It is not active there.
        NoMachine = "NO_MACHINE",
        /// It is active on as many machines as it may be.
        TooManyMachines = "TOO_MANY_MACHINES",
        /// It is active on as many hosts as it may be.
        TooManyDomains = "TOO_MANY_DOMAINS",
        /// It is active from as many addresses as it may be.
        TooManyIps = "TOO_MANY_IPS",
        /// It was used as often as it may be.
        TooManyUses = "TOO_MANY_USES",
    }
}

impl Code {
    /// The same for people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Valid => "the licence is valid",
            Self::NotFound => "there is no such licence",
            Self::Pending => "the licence is not active yet",
            Self::Suspended => "the licence is suspended",
            Self::Expired => "the licence has expired",
            Self::Cancelled => "the subscription of the licence has ended",
            Self::Revoked => "the licence was revoked",
            Self::ProductScopeMismatch => "the licence is for another product",
            Self::DomainScopeRequired => "the licence is bound to domains: the request must name its domain",
            Self::DomainScopeMismatch => "the licence is bound to other domains",
            Self::IpScopeMismatch => "the licence is bound to other addresses",
            Self::NoMachine => "the licence is not activated there",
            Self::TooManyMachines => "the licence is activated as often as it may be",
            Self::TooManyDomains => "the licence is activated on as many domains as it may be",
            Self::TooManyIps => "the licence is activated from as many addresses as it may be",
            Self::TooManyUses => "the licence was used as often as it may be",
        }
    }
}

/// What a program wants to know.
#[derive(Debug, Clone, Default)]
pub struct Question<'a> {
    /// The product it belongs to: its id or its name in addresses.
    pub product: Option<&'a str>,
    /// The host it serves.
    pub domain: Option<Domain>,
    /// Where it calls from.
    pub ip: Option<IpAddr>,
    /// The activation it is.
    pub place: Option<Asked<'a>>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What became of it.
    pub code: Code,
    /// The licence, if there is one.
    pub license: Option<Arc<Known>>,
    /// The activation that was asked for.
    pub place: Option<Place>,
    /// Whether the database is away, so that the answer is what was true when it went.
    pub stale: bool,
}

/// What the status and the rules say, before anything is counted.
pub(super) fn admit(license: &Known, question: &Question<'_>, now: Time) -> Result<(), Code> {
    match license.row.status.at(license.row.expires_at, now) {
        LicenseStatus::Active => {}
        LicenseStatus::Pending => return Err(Code::Pending),
        LicenseStatus::Suspended => return Err(Code::Suspended),
        LicenseStatus::Expired => return Err(Code::Expired),
        LicenseStatus::Cancelled => return Err(Code::Cancelled),
        LicenseStatus::Revoked => return Err(Code::Revoked),
    }
    if question.product.is_some_and(|product| !license.is_of(product)) {
        return Err(Code::ProductScopeMismatch);
    }
    domain_allowed(license, question.domain.as_ref())?;
    match license.ips.as_deref() {
        Some([]) => Ok(()),
        Some(rules) if question.ip.is_some_and(|ip| rules.iter().any(|rule| rule.contains(ip))) => Ok(()),
        Some(_) | None => Err(Code::IpScopeMismatch),
    }
}

fn domain_allowed(license: &Known, domain: Option<&Domain>) -> Result<(), Code> {
    match (license.domains.as_deref(), domain) {
        (Some([]), _) => Ok(()),
        (Some(rules), Some(domain)) if rules.iter().any(|rule| rule.allows(domain)) => Ok(()),
        (Some(_), None) => Err(Code::DomainScopeRequired),
        (Some(_) | None, _) => Err(Code::DomainScopeMismatch),
    }
}

/// Whether so many others leave room for one more.
fn is_full(limit: Option<i64>, others: impl FnOnce() -> usize) -> bool {
    limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| others() >= limit))
}

/// The answer, apart from the activation that was asked for.
pub(super) fn decide(license: &Known, question: &Question<'_>, now: Time) -> Code {
    if let Err(code) = admit(license, question, now) {
        return code;
    }
    let row = &license.row;
    // Where it is limited to some hosts and all of them are taken, another one is a stranger.
    if let Some(domain) = &question.domain
        && is_full(row.max_domains, || license.other_domains(domain.as_str()))
    {
        return Code::DomainScopeMismatch;
    }
    if let Some(ip) = question.ip
        && is_full(row.max_ips, || license.other_ips(ip))
    {
        return Code::IpScopeMismatch;
    }
    if row.max_usage.is_some_and(|limit| row.usage_count >= limit) { Code::TooManyUses } else { Code::Valid }
}
