//! Vocabulary without I/O: time, identifiers, secrets, actors of the audit trail.
//!
//! Everything here can be used by every room and imports none of them.

pub mod clock;
pub mod id;
pub mod seal;
pub mod time;

pub use clock::{Clock, ManualClock, SystemClock};
pub use id::{Id, IdSource, ParseIdError, Prefix};
pub use time::Time;
