//! How often programs may ask.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    http::{Allowance, Limiter, Problem, address_key},
    licenses::{CallLimits, KeyHash},
};

const MINUTE: Duration = Duration::from_mins(1);
/// After how many calls buckets that are full again are forgotten.
const SWEEP: u64 = 1 << 16;

/// Counts calls by licence and by address.
#[derive(Debug)]
pub(super) struct Calls {
    per_key: Option<Limiter>,
    per_address: Option<Limiter>,
    taken: AtomicU64,
}

impl Calls {
    pub(super) fn new(limits: CallLimits) -> Self {
        let limiter = |name, quota| (quota > 0).then(|| Limiter::new(name, quota, MINUTE));
        Self {
            per_key: limiter("license-key", limits.per_key),
            per_address: limiter("license-address", limits.per_address),
            taken: AtomicU64::new(0),
        }
    }

    /// Takes one call, or refuses it. `hash` is that of a key which this installation has made: what it has not made is
    /// counted by address alone, so that nobody fills memory with invented keys.
    pub(super) fn take(&self, address: Option<IpAddr>, hash: Option<KeyHash>) -> Result<Option<Allowance>, Problem> {
        let by_address = match (&self.per_address, address) {
            (Some(limiter), Some(address)) => Some(limiter.check(&address_key(Some(address)))?),
            _ => None,
        };
        let by_key = match (&self.per_key, hash) {
            (Some(limiter), Some(hash)) => Some(limiter.check(&hash.to_text())?),
            _ => None,
        };
        if self.taken.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            [&self.per_key, &self.per_address].into_iter().flatten().for_each(Limiter::sweep);
        }
        Ok(by_key.or(by_address))
    }
}
