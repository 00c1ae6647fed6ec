//! Rate limits on whatever can be guessed or flooded: GCRA in this process, one bucket a key.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
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
    state::keyed::HashMapStateStore,
};
use serde_json::json;

use super::problem::{Kind, Problem};

/// Lets `quota` requests a `window` through for each key, all of them at once if they come so.
#[derive(Debug)]
pub struct Limiter {
    name: &'static str,
    /// Its name, quota and window, as clients are told them.
    policy: HeaderValue,
    quota: NonZeroU32,
    window: Duration,
    buckets: RateLimiter<u64, HashMapStateStore<u64>, DefaultClock, StateInformationMiddleware>,
    // Keys are kept as keyed hashes: small, and nobody's address or licence.
    hasher: RandomState,
    clock: DefaultClock,
    /// Requests that may still come before the next sweep.
    until_sweep: AtomicUsize,
}

/// How many requests there are between two sweeps, at least.
const SWEEP: usize = 1024;

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
        let policy = written(format!("\"{name}\";q={quota};w={}", window.as_secs()));
        let clock = DefaultClock::default();
        let buckets = RateLimiter::hashmap_with_clock(shape, clock.clone()).with_middleware();
        Self {
            name,
            policy,
            quota,
            window,
            buckets,
            hasher: RandomState::new(),
            clock,
            until_sweep: AtomicUsize::new(SWEEP),
        }
    }

    /// Takes one request of `key`'s, or refuses it with 429.
    pub fn check(&self, key: &str) -> Result<Allowance, Problem> {
        self.sweep_in_turn();
        match self.buckets.check_key(&self.hasher.hash_one(key)) {
            Ok(state) => Ok(self.allowance(state.remaining_burst_capacity(), Duration::ZERO)),
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                metrics::counter!("mintreu_http_rate_limited_total", "limit" => self.name).increment(1);
                Err(Problem::new(Kind::QuotaExceeded)
                    .detail(format!("at most {} in {} s; wait a moment", self.quota, self.window.as_secs()))
                    .retry_after(wait)
                    .member("violated-policies", json!([self.name]))
                    .headers(HeaderMap::from_iter(self.allowance(0, wait).headers())))
            }
        }
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no key is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Forgets keys whose buckets are full again. Done by itself every so many requests.
    pub fn sweep(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }

    /// Sweeps after as many requests as there are keys: then a sweep costs each of them one look, and a flood of keys
    /// cannot pile up more than twice those that still count.
    fn sweep_in_turn(&self) {
        let last = self.until_sweep.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if last == Ok(1) {
            self.sweep();
            self.until_sweep.store(self.len().max(SWEEP), Ordering::Relaxed);
        }
    }

    fn allowance(&self, remaining: u32, wait: Duration) -> Allowance {
        let each = self.window / self.quota.get();
        // Until the bucket is full again.
        let full = wait.max(each * (self.quota.get() - remaining.min(self.quota.get())));
        Allowance { policy: self.policy.clone(), name: self.name, quota: self.quota.get(), remaining, reset: full }
    }
}

/// What is left of a limit; put it into the answer, where it becomes the headers that tell clients.
#[derive(Debug, Clone)]
pub struct Allowance {
    policy: HeaderValue,
    name: &'static str,
    quota: u32,
    remaining: u32,
    reset: Duration,
}

impl Allowance {
    /// `RateLimit-Policy` and `RateLimit` (IETF draft), and `X-RateLimit-*` as is the habit.
    fn headers(self) -> [(HeaderName, HeaderValue); 5] {
        let seconds = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        let reset = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() + seconds;
        [
            (HeaderName::from_static("ratelimit-policy"), self.policy),
            (
                HeaderName::from_static("ratelimit"),
                written(format!("\"{}\";r={};t={seconds}", self.name, self.remaining)),
            ),
            (HeaderName::from_static("x-ratelimit-limit"), self.quota.into()),
            (HeaderName::from_static("x-ratelimit-remaining"), self.remaining.into()),
            (HeaderName::from_static("x-ratelimit-reset"), reset.into()),
        ]
    }
}

/// A header of our own words and numbers.
fn written(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

impl IntoResponseParts for Allowance {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.headers_mut().extend(self.headers());
        Ok(parts)
    }
}

/// The key of an address: for IPv6 the network of 64 bits, all of which one customer of a provider has.
#[must_use]
pub fn address_key(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn text(headers: &HeaderMap, name: &str) -> String {
        headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text").to_owned()
    }

    #[test]
    fn so_many_go_through_and_the_next_is_refused_with_all_headers() {
        let limiter = Limiter::new("login", 3, Duration::from_mins(3));
        for remaining in [2, 1, 0] {
            let headers = HeaderMap::from_iter(limiter.check("ada").expect("allowed").headers());
            assert_eq!(text(&headers, "ratelimit-policy"), "\"login\";q=3;w=180");
            assert!(text(&headers, "ratelimit").starts_with(&format!("\"login\";r={remaining};t=")));
            assert_eq!(text(&headers, "x-ratelimit-limit"), "3");
            assert_eq!(text(&headers, "x-ratelimit-remaining"), remaining.to_string());
        }
        let refused = limiter.check("ada").expect_err("refused").into_response();
        assert_eq!(refused.status(), 429);
        let wait: u64 = text(refused.headers(), "retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(text(refused.headers(), "ratelimit").starts_with("\"login\";r=0;t="));
        assert_eq!(text(refused.headers(), "x-ratelimit-remaining"), "0");
        let reset: u64 = text(refused.headers(), "x-ratelimit-reset").parse().expect("seconds");
        assert!(reset > 1_700_000_000, "a point in time: {reset}");
        limiter.check("eve").expect("others have buckets of their own");
    }

    #[test]
    fn keys_whose_buckets_are_full_again_are_forgotten() {
        let limiter = Limiter::new("flood", 1, Duration::from_nanos(1));
        for number in 0..10 * SWEEP {
            limiter.check(&number.to_string()).expect("allowed");
        }
        assert!(limiter.len() <= SWEEP, "{} keys", limiter.len());
        let lasting = Limiter::new("lasting", 1, Duration::from_hours(1));
        for number in 0..3 * SWEEP {
            lasting.check(&number.to_string()).expect("allowed");
        }
        assert_eq!(lasting.len(), 3 * SWEEP, "what still counts is kept");
        lasting.check("0").expect_err("and still counts");
    }

    #[test]
    fn a_network_of_one_customer_is_one_key() {
        let key = |text: &str| address_key(Some(text.parse().expect("an address")));
        assert_eq!(key("192.0.2.7"), "192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }
}
