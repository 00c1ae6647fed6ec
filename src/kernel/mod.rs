//! Vocabulary without I/O: time, identifiers, secrets, actors of the audit trail.
//!
//! Everything here can be used by every room and imports none of them.

pub mod clock;
pub mod id;
pub mod seal;
pub mod secret;
pub mod time;
pub mod trace;

pub use clock::{Clock, ManualClock, SystemClock};
pub use id::{Id, IdSource, ParseIdError, Prefix};
pub use secret::{Secret, SecretKey};
pub use time::Time;

crate::id_type!(OrderId, Order, "ord", "An order.");
