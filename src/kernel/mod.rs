//! Vocabulary without I/O: time, identifiers, secrets, actors of the audit trail.
//!
//! Everything here can be used by every room and imports none of them.

pub mod checksum;
pub mod clock;
pub mod country;
pub mod hook;
pub mod id;
pub mod money;
pub mod names;
pub mod network;
pub mod page;
pub mod seal;
pub mod secret;
pub mod sort;
pub mod table;
pub mod text_enum;
pub mod time;
pub mod trace;

pub use checksum::Checksum;
pub use clock::{Clock, ManualClock, SystemClock};
pub use country::{Country, UnknownCountry};
pub use id::{Id, IdSource, ParseIdError, Prefix, prefixed};
pub use money::{Currency, Money};
pub use names::{
    CategoryId, CouponId, DeveloperId, DisputeId, InvoiceId, LicenseId, OrderId, OrderItemId, PaymentId, PlanId,
    ProductId, RefundId, SubscriptionId, TaxRateId, TenantId, TicketId, TicketMessageId, UserId,
};
pub use network::{Network, NotANetwork, is_public};
pub use page::{Page, PageFrom, PageRequest, ids_between};
pub use secret::{Secret, SecretKey};
pub use sort::{ByTime, Place, PlaceError, RowId, Sort, SortField, SortKey, Sorted};
pub use text_enum::UnknownName;
pub use time::Time;
