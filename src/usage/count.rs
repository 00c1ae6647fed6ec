//! What is counted: so much of a metric, for a subject, at an endpoint, at a time.
//!
//! **Promise.** Whatever a caller passes can be stored in both databases: texts are cut and times clamped here, because
//! a record that a database refuses would hold up every record behind it.

use std::{borrow::Cow, time::Duration};

use crate::kernel::Time;

/// The longest subject, metric, endpoint or request id, in bytes; longer ones are cut.
pub const MAX_NAME: usize = 255;

/// The longest `meta` text of a call, in bytes; a longer one is left out.
pub const MAX_META: usize = 8 * 1024;

/// 9999-12-31T23:00:00Z, the last hour that both databases and RFC 3339 can say, in hours since the epoch.
const LAST_HOUR: i64 = 70_389_527;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Something to count.
#[derive(Debug, Clone, Copy)]
pub struct Count<'a> {
    /// Who used it: a tenant, an API key, a licence, as text.
    pub subject: &'a str,
    /// What was used, e.g. `requests`, `bytes_out`.
    pub metric: &'a str,
    /// Where, e.g. `GET /products/blog/v1/posts`; empty where it does not matter.
    pub endpoint: &'a str,
    /// How much; what exceeds an `i64` counts as its maximum.
    pub amount: u64,
    /// When it happened; decides the hour, day and month (UTC) it is counted in, however late it is recorded.
    pub at: Time,
    /// The single call behind it, kept in `api_usage_logs` when the [log policy](super::LogPolicy) says so.
    pub call: Option<Call<'a>>,
}

/// One call, as `api_usage_logs` keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Decides whether the call is in the sample.
    pub request_id: &'a str,
    /// The status it was answered with.
    pub status: u16,
    /// How long the answer took; up to about 71 minutes, what is longer is kept as that.
    pub duration: Duration,
    /// Anything else, as a JSON text; never secrets.
    pub meta: Option<&'a str>,
}

/// What a record says: the amount, its key, and the call if it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) amount: i64,
    /// The encoded [`Key`]; equal keys have equal bytes.
    pub(crate) key: &'a [u8],
    pub(crate) call: Option<CallEntry<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallEntry<'a> {
    /// Microseconds into the key's hour.
    pub(crate) micros: u32,
    pub(crate) status: u16,
    pub(crate) duration_micros: u32,
    pub(crate) request_id: &'a str,
    pub(crate) meta: Option<&'a str>,
}

/// What a count is added to: one hour of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    /// Hours since the Unix epoch.
    pub(crate) hour: u32,
    pub(crate) subject: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) endpoint: &'a str,
}

/// Hours since the epoch, and microseconds into that hour, of a time between 1970 and 9999.
fn split(at: Time) -> (u32, u32) {
    let clamped = at.as_micros().clamp(0, LAST_HOUR * HOUR_MICROS + (HOUR_MICROS - 1));
    let (hour, micros) = (clamped / HOUR_MICROS, clamped % HOUR_MICROS);
    (u32::try_from(hour).unwrap_or(0), u32::try_from(micros).unwrap_or(0))
}

/// The time that [`split`] took apart.
pub(crate) fn join(hour: u32, micros: u32) -> Time {
    Time::from_micros(i64::from(hour) * HOUR_MICROS + i64::from(micros))
}

/// The hour (since the epoch) that a time is counted in.
pub(crate) fn hour_of(at: Time) -> u32 {
    split(at).0
}

/// What of a name is kept: the longest start of at most [`MAX_NAME`] bytes; a NUL, which PostgreSQL has no text for,
/// becomes a space.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(MAX_NAME)];
    if text.as_bytes().contains(&0) { Cow::Owned(text.replace('\0', " ")) } else { Cow::Borrowed(text) }
}

const COUNT: u8 = 1;
const CALL: u8 = 2;
/// Kind and amount, before the key.
const PREFIX: usize = 9;
/// Hour and three lengths, before the key's texts.
const KEY_PREFIX: usize = 7;

impl Key<'_> {
    /// Appends the key's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let texts = [name(self.subject), name(self.metric), name(self.endpoint)];
        out.extend_from_slice(&self.hour.to_le_bytes());
        out.extend(texts.iter().map(|text| byte_len(text)));
        for text in &texts {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

impl<'a> Key<'a> {
    /// Reads a key; `None` if the bytes are none.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let hour = input.u32()?;
        let lengths = [input.u8()?, input.u8()?, input.u8()?];
        let [subject, metric, endpoint] = lengths.map(|length| input.text(length.into()));
        Some(Self { hour, subject: subject?, metric: metric?, endpoint: endpoint? })
    }
}

fn byte_len(text: &str) -> u8 {
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}

/// Appends the record's payload.
pub(crate) fn encode(count: &Count<'_>, log: bool, out: &mut Vec<u8>) {
    let (hour, micros) = split(count.at);
    let call = count.call.filter(|_| log);
    out.push(if call.is_some() { CALL } else { COUNT });
    out.extend_from_slice(&i64::try_from(count.amount).unwrap_or(i64::MAX).to_le_bytes());
    Key { hour, subject: count.subject, metric: count.metric, endpoint: count.endpoint }.encode(out);
    let Some(call) = call else { return };
    let duration = u32::try_from(call.duration.as_micros()).unwrap_or(u32::MAX);
    let request_id = name(call.request_id);
    let meta = call.meta.filter(|meta| meta.len() <= MAX_META && !meta.is_empty() && !meta.contains('\0'));
    out.extend_from_slice(&micros.to_le_bytes());
    out.extend_from_slice(&call.status.to_le_bytes());
    out.extend_from_slice(&duration.to_le_bytes());
    out.push(byte_len(&request_id));
    out.extend_from_slice(request_id.as_bytes());
    out.extend_from_slice(meta.unwrap_or_default().as_bytes());
}

/// Reads a record's payload; `None` if it is none that this version writes.
pub(crate) fn decode(payload: &[u8]) -> Option<Entry<'_>> {
    let mut input = Input(payload);
    let kind = input.u8()?;
    let amount = i64::from_le_bytes(input.array()?);
    let lengths = payload.get(PREFIX + 4..PREFIX + KEY_PREFIX)?;
    let key = input.take(KEY_PREFIX + lengths.iter().map(|length| usize::from(*length)).sum::<usize>())?;
    Key::decode(key)?;
    let call = match kind {
        COUNT => None,
        CALL => {
            let (micros, status) = (input.u32()?, u16::from_le_bytes(input.array()?));
            let duration_micros = input.u32()?;
            let length = input.u8()?.into();
            let request_id = input.text(length)?;
            let meta = std::str::from_utf8(std::mem::take(&mut input.0)).ok()?;
            Some(CallEntry { micros, status, duration_micros, request_id, meta: Some(meta).filter(|m| !m.is_empty()) })
        }
        _ => return None,
    };
    (amount >= 0 && input.0.is_empty()).then_some(Entry { amount, key, call })
}

/// Bytes still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(length)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(count: &Count<'_>, log: bool) -> Vec<u8> {
        let mut out = Vec::new();
        encode(count, log, &mut out);
        out
    }

    #[test]
    fn the_last_hour_is_the_end_of_the_year_9999() {
        let (hour, micros) = split("9999-12-31T23:59:59.999999Z".parse().expect("valid"));
        assert_eq!(i64::from(hour), LAST_HOUR);
        assert_eq!(split(Time::from_micros(i64::MAX)), (hour, micros));
        assert_eq!(split(Time::from_micros(i64::MIN)), (0, 0));
    }

    #[test]
    fn what_a_database_would_refuse_is_never_recorded() {
        let long = "é".repeat(200);
        let count =
            Count { subject: "a\0b", metric: &long, endpoint: "", amount: u64::MAX, at: Time::default(), call: None };
        let bytes = payload(&count, true);
        let entry = decode(&bytes).expect("decodes");
        let key = Key::decode(entry.key).expect("a key");
        assert_eq!((key.subject, key.metric.len(), entry.amount), ("a b", 254, i64::MAX));
    }

    proptest! {
        #[test]
        fn every_count_is_read_as_it_was_written(
            subject in "[^\0]{0,40}", metric in "[^\0]{0,40}", endpoint in "[^\0]{0,40}",
            amount in 0..=i64::MAX as u64, hour in 0..1_000_000_u32, micros in 0..3_600_000_000_u32,
            request_id in "[^\0]{0,40}", status: u16, duration: u32, meta in proptest::option::of("[^\0]{1,80}"), log: bool,
        ) {
            let call = Call { request_id: &request_id, status, duration: Duration::from_micros(duration.into()), meta: meta.as_deref() };
            let at = join(hour, micros);
            let count = Count { subject: &subject, metric: &metric, endpoint: &endpoint, amount, at, call: Some(call) };
            let bytes = payload(&count, log);
            let entry = decode(&bytes).expect("decodes");
            prop_assert_eq!(entry.amount.cast_unsigned(), amount);
            let key = Key { hour, subject: &subject, metric: &metric, endpoint: &endpoint };
            prop_assert_eq!(Key::decode(entry.key), Some(key));
            let logged = CallEntry { micros, status, duration_micros: duration, request_id: &request_id, meta: meta.as_deref() };
            prop_assert_eq!(entry.call, log.then_some(logged));
        }

        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
