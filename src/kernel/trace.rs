//! The W3C trace context of the work at hand, carried from a request to the jobs that it causes.

use std::{fmt, future::Future};

tokio::task_local! {
    static TRACE: Option<Trace>;
}

/// Runs `work` as a part of a trace.
pub async fn scope<F: Future>(trace: Option<Trace>, work: F) -> F::Output {
    TRACE.scope(trace, work).await
}

/// The trace that the work at hand is a part of.
#[must_use]
pub fn current() -> Option<Trace> {
    TRACE.try_with(|trace| *trace).ok().flatten()
}

/// Where work stands in a distributed trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    span: u64,
    flags: u8,
}

impl Trace {
    /// Reads a `traceparent`: [W3C Trace Context, 3.2](https://www.w3.org/TR/trace-context/#traceparent-header).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let (trace_id, span_id) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // Later versions may append parts; this one may not, and `ff` is forbidden.
        let shape = match version {
            0 => parts.next().is_none(),
            0xff => false,
            _ => true,
        };
        (shape && trace_id != 0 && span_id != 0).then_some(())?;
        Some(Self { id: trace_id, span: u64::try_from(span_id).ok()?, flags: u8::try_from(flags).ok()? })
    }
}

impl Trace {
    /// A trace that begins here.
    #[must_use]
    pub const fn new(id: u128, span: u64) -> Self {
        Self { id, span, flags: 0 }
    }

    /// Another span of the same trace.
    #[must_use]
    pub const fn child(self, span: u64) -> Self {
        Self { span, ..self }
    }

    /// The trace's id, 32 hexadecimal digits.
    #[must_use]
    pub fn id(self) -> String {
        format!("{:032x}", self.id)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a later version's flags only the first is known here.
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.id, self.span, self.flags & 1)
    }
}

/// Lower case only, as the specification demands.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let valid = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if valid { u128::from_str_radix(text, 16).ok() } else { None }
}
