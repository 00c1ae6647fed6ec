//! Rate limits on whatever can be guessed or flooded: GCRA in this process, one bucket a key.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponseParts, ResponseParts},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use serde_json::json;

use super::problem::{Kind, Problem};

/// Lets `quota` requests a `window` through for each key, all of them at once if they come so.
#[derive(Debug)]
pub struct Limiter {
    name: &'static str,
    quota: NonZeroU32,
    window: Duration,
    buckets: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock, StateInformationMiddleware>,
    // Keys are kept as keyed hashes: small, and nobody's address or licence.
    hasher: RandomState,
    clock: DefaultClock,
}

impl Limiter {
    /// A limit by this name, which clients see.
    ///
    /// # Panics
    /// Never: a window of no length or a quota of nothing count as one nanosecond and one request.
    #[must_use]
    pub fn new(name: &'static str, quota: u32, window: Duration) -> Self {
        let quota = NonZeroU32::new(quota).unwrap_or(NonZeroU32::MIN);
        let each = (window / quota.get()).max(Duration::from_nanos(1));
        let shape = Quota::with_period(each).unwrap_or_else(|| Quota::per_second(quota)).allow_burst(quota);
        let clock = DefaultClock::default();
        let buckets = RateLimiter::dashmap_with_clock(shape, clock.clone()).with_middleware();
        Self { name, quota, window, buckets, hasher: RandomState::new(), clock }
    }

    /// Takes one request of `key`'s, or refuses it with 429.
    pub fn check(&self, key: &str) -> Result<Allowance, Problem> {
        match self.buckets.check_key(&self.hasher.hash_one(key)) {
            Ok(state) => Ok(self.allowance(state.remaining_burst_capacity(), Duration::ZERO)),
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                metrics::counter!("mintreu_http_rate_limited_total", "limit" => self.name).increment(1);
                Err(Problem::new(Kind::QuotaExceeded)
                    .detail(format!("at most {} in {} s; wait a moment", self.quota, self.window.as_secs()))
                    .retry_after(wait)
                    .member("violated-policies", json!([self.name]))
                    .headers(self.allowance(0, wait).headers()))
            }
        }
    }

    /// Forgets keys whose buckets are full again. To be called now and then.
    pub fn sweep(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }

    fn allowance(&self, remaining: u32, wait: Duration) -> Allowance {
        let each = self.window / self.quota.get();
        // Until the bucket is full again.
        let full = wait.max(each * (self.quota.get() - remaining.min(self.quota.get())));
        Allowance { name: self.name, quota: self.quota.get(), window: self.window, remaining, reset: full }
    }
}

/// What is left of a limit; put it into the answer, where it becomes the headers that tell clients.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    name: &'static str,
    quota: u32,
    window: Duration,
    remaining: u32,
    reset: Duration,
}

impl Allowance {
    /// `RateLimit-Policy` and `RateLimit` (IETF draft), and `X-RateLimit-*` as is the habit.
    fn headers(&self) -> HeaderMap {
        let seconds = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        let reset = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() + seconds;
        let fields = [
            ("ratelimit-policy", format!("\"{}\";q={};w={}", self.name, self.quota, self.window.as_secs())),
            ("ratelimit", format!("\"{}\";r={};t={seconds}", self.name, self.remaining)),
            ("x-ratelimit-limit", self.quota.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?)))
            .collect()
    }
}

impl IntoResponseParts for Allowance {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.headers_mut().extend(self.headers());
        Ok(parts)
    }
}
