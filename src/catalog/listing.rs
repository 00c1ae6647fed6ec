//! Lists of operators: newest first, a page at a time.

use uuid::Uuid;

use crate::kernel::{Id, PageFrom, PageRequest};

/// A statement for a page.
pub(super) struct Listing {
    pub(super) text: String,
    pub(super) cursor: Option<Uuid>,
}

/// `select`, which ends with a condition, for the page: its cursor is parameter `$first`, its limit the next.
pub(super) fn tail<P>(select: &str, id: &str, first: usize, page: &PageRequest<Id<P>>) -> Listing {
    let (sign, order, cursor) = match page.from {
        PageFrom::Start => ("<", "DESC", None),
        PageFrom::After(id) => ("<", "DESC", Some(id.uuid())),
        PageFrom::Before(id) => (">", "ASC", Some(id.uuid())),
    };
    let limit = first + 1;
    let text = format!("{select} AND (${first} IS NULL OR {id} {sign} ${first}) ORDER BY {id} {order} LIMIT ${limit}");
    Listing { text, cursor }
}
