//! Typed identifiers: `ord_01h455vb4pex5vsknk084sn02q` outside, a native UUID in the database.
//!
//! The text form is a [TypeID](https://github.com/jetify-com/typeid/tree/main/spec): a prefix and the UUID in
//! Crockford's base 32. The UUID is version 7 (RFC 9562), ordered by the time it was made, also within a millisecond.

use std::{
    borrow::Cow,
    cmp, fmt, hash,
    marker::PhantomData,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};
use uuid::Uuid;

use super::{Clock, Time};

/// What an identifier names: one marker type per table that has public identifiers.
pub trait Prefix: 'static {
    /// The text before the underscore, e.g. `ord`.
    const PREFIX: &'static str;
    /// What its identifiers are called in the API's description, e.g. `OrderId`.
    const NAME: &'static str;
    /// What they identify, e.g. `An order.`
    const MEANING: &'static str;
}

/// Declares an identifier type: `id_type!(OrderId, Order, "ord", "An order.")`.
#[macro_export]
macro_rules! id_type {
    ($name:ident, $marker:ident, $prefix:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $marker {}
        impl $crate::kernel::Prefix for $marker {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = stringify!($name);
            const MEANING: &'static str = $doc;
        }
        #[doc = concat!("Identifies: ", $doc)]
        pub type $name = $crate::kernel::Id<$marker>;
    };
}

/// An identifier of a `P`.
pub struct Id<P>(Uuid, PhantomData<fn() -> P>);

impl<P> Id<P> {
    /// Wraps a UUID that is known to name a `P`.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The least identifier that can be made at `at` or later: what is less was made before.
    #[must_use]
    pub fn earliest(at: Time) -> Self {
        Self::from_uuid(earliest(at))
    }

    /// The UUID as stored in the database.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

/// The least UUID of version 7 that is of `at` or later (RFC 9562, 5.7); of times before 1970, the least of all.
pub(super) fn earliest(at: Time) -> Uuid {
    let millis = u128::try_from(at.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
    Uuid::from_u128(millis << 80 | 0x7 << 76 | 0b10 << 62)
}

impl<P> Clone for Id<P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P> Copy for Id<P> {}
impl<P> PartialEq for Id<P> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<P> Eq for Id<P> {}
impl<P> PartialOrd for Id<P> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<P> Ord for Id<P> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<P> hash::Hash for Id<P> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<P: Prefix> fmt::Display for Id<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(P::PREFIX)?;
        f.write_str("_")?;
        // The alphabet is ASCII.
        f.write_str(str::from_utf8(&base32_encode(self.0.as_u128())).unwrap_or_default())
    }
}

/// The text form of an identifier whose kind only its prefix says.
#[must_use]
pub fn prefixed(prefix: &str, uuid: Uuid) -> String {
    let text: String = base32_encode(uuid.as_u128()).iter().copied().map(char::from).collect();
    format!("{prefix}_{text}")
}

impl<P: Prefix> fmt::Debug for Id<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no identifier of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseIdError {
    /// Another prefix, or none.
    #[error("an identifier here starts with `{0}_`")]
    Prefix(&'static str),
    /// Not 26 characters of Crockford's base 32 in lower case.
    #[error("an identifier ends with 26 characters of 0-9 and a-z without i, l, o and u")]
    Suffix,
}

impl<P: Prefix> FromStr for Id<P> {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let suffix = text
            .strip_prefix(P::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or(ParseIdError::Prefix(P::PREFIX))?;
        base32_decode(suffix).map(|value| Self::from_uuid(Uuid::from_u128(value))).ok_or(ParseIdError::Suffix)
    }
}

impl<P: Prefix> Serialize for Id<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, P: Prefix> Deserialize<'de> for Id<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<P: Prefix> JsonSchema for Id<P> {
    fn schema_name() -> Cow<'static, str> {
        P::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": format!("Identifies: {}", P::MEANING),
            "pattern": format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", P::PREFIX),
            "examples": [format!("{}_01h455vb4pex5vsknk084sn02q", P::PREFIX)],
        })
    }
}

impl<P, DB: Database> Type<DB> for Id<P>
where
    Uuid: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <Uuid as Type<DB>>::type_info()
    }
    fn compatible(ty: &DB::TypeInfo) -> bool {
        <Uuid as Type<DB>>::compatible(ty)
    }
}

impl<'q, P, DB: Database> Encode<'q, DB> for Id<P>
where
    Uuid: Encode<'q, DB>,
{
    fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.0.encode_by_ref(buffer)
    }
}

impl<'r, P, DB: Database> Decode<'r, DB> for Id<P>
where
    Uuid: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Uuid::decode(value).map(Self::from_uuid)
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn base32_encode(value: u128) -> [u8; 26] {
    let mut text = [0; 26];
    for (place, slot) in text.iter_mut().rev().enumerate() {
        *slot = ALPHABET[usize::try_from((value >> (5 * place)) & 31).unwrap_or(0)];
    }
    text
}

fn base32_decode(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    // 26 characters hold 130 bits: the first may only carry the top three of a UUID.
    if bytes.len() != 26 || bytes[0] > b'7' {
        return None;
    }
    bytes.iter().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        Some((value << 5) | u128::try_from(digit).ok()?)
    })
}

/// Makes identifiers in order of time.
///
/// A counter of 26 bits behind the millisecond (RFC 9562, 6.2, method 1) keeps them in order within one, and when the
/// clock goes back.
#[derive(Clone)]
pub struct IdSource {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<IdState>>,
}

struct IdState {
    millis: u64,
    counter: u32,
    rng: StdRng,
}

const COUNTER_BITS: u32 = 26;

impl IdSource {
    /// A source with randomness from the operating system.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_rng(clock, rand::make_rng())
    }

    /// A source whose identifiers depend on `seed` and the clock alone, for tests.
    #[must_use]
    pub fn seeded(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self::with_rng(clock, StdRng::seed_from_u64(seed))
    }

    fn with_rng(clock: Arc<dyn Clock>, rng: StdRng) -> Self {
        Self { clock, state: Arc::new(Mutex::new(IdState { millis: 0, counter: 0, rng })) }
    }

    /// The clock that the identifiers' times come from.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A random number from a cryptographically secure generator, seeded by the operating system outside tests.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rng.random()
    }

    /// A new identifier, greater than all before it from this source.
    #[must_use]
    pub fn next<P>(&self) -> Id<P> {
        Id::from_uuid(self.next_uuid())
    }

    /// A new UUID of version 7, greater than all before it from this source.
    #[must_use]
    pub fn next_uuid(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now > state.millis {
            state.millis = now;
            // The top bit starts clear, so that a busy millisecond has room to count.
            state.counter = state.rng.random::<u32>() & ((1 << (COUNTER_BITS - 1)) - 1);
        } else {
            state.counter += 1;
            if state.counter >> COUNTER_BITS != 0 {
                state.millis += 1;
                state.counter = 0;
            }
        }
        let random = u128::from(state.rng.random::<u64>() & ((1 << 48) - 1));
        let (millis, counter) = (u128::from(state.millis & ((1 << 48) - 1)), u128::from(state.counter));
        let (high, low) = (counter >> 14, counter & 0x3fff);
        Uuid::from_u128(millis << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low << 48 | random)
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdSource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ManualClock;
    use std::time::Duration;

    enum Thing {}
    impl Prefix for Thing {
        const PREFIX: &'static str = "thing";
        const NAME: &'static str = "ThingId";
        const MEANING: &'static str = "A thing.";
    }
    type ThingId = Id<Thing>;

    /// From the specification's list of valid examples.
    #[test]
    fn text_follows_the_typeid_specification() {
        let uuid: Uuid = "0110c853-1d09-52d8-d73e-1194e95b5f19".parse().expect("valid");
        let id = ThingId::from_uuid(uuid);
        assert_eq!(id.to_string(), "thing_0123456789abcdefghjkmnpqrs");
        assert_eq!("thing_0123456789abcdefghjkmnpqrs".parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, error) in [
            ("order_0123456789abcdefghjkmnpqrs", ParseIdError::Prefix("thing")),
            ("thing_8123456789abcdefghjkmnpqrs", ParseIdError::Suffix),
            ("thing_0123456789ABCDEFGHJKMNPQRS", ParseIdError::Suffix),
            ("thing_0123456789abcdefghjkmnpqr", ParseIdError::Suffix),
            ("thing_i123456789abcdefghjkmnpqrs", ParseIdError::Suffix),
            ("thing_€€€€€€€€aa", ParseIdError::Suffix),
            ("", ParseIdError::Prefix("thing")),
        ] {
            assert_eq!(text.parse::<ThingId>(), Err(error), "{text}");
        }
    }

    #[test]
    fn identifiers_grow_even_when_the_clock_goes_back() {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
        let ids = IdSource::seeded(clock.clone(), 7);
        let mut last = ids.next_uuid();
        assert_eq!(last.get_version_num(), 7);
        for step in 0..20_000 {
            match step {
                5_000 => clock.set(clock.now() - Duration::from_hours(1)),
                10_000 => clock.advance(Duration::from_hours(2)),
                _ => {}
            }
            let next = ids.next_uuid();
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn the_earliest_of_a_time_stands_between_what_was_made_before_and_since() {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_123_000)));
        let ids = IdSource::seeded(clock.clone(), 7);
        let before: ThingId = ids.next();
        clock.advance(Duration::from_millis(1));
        let since: ThingId = ids.next();
        let border = ThingId::earliest(clock.now());
        assert!(before < border && border < since);
        assert_eq!(border.uuid().get_version_num(), 7);
    }

    proptest::proptest! {
        #[test]
        fn every_uuid_survives_its_text(value: u128) {
            let id = ThingId::from_uuid(Uuid::from_u128(value));
            proptest::prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
