//! Lists in pages: `?limit=&after=&before=`, stable while rows are added.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{Time, id::earliest};

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<C> {
    /// How many rows at most.
    pub limit: i64,
    /// From where.
    pub from: PageFrom<C>,
}

/// Where a page begins. A cursor is what the list is ordered by; its row is not part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom<C> {
    /// At the beginning of the list.
    Start,
    /// After the cursor's row.
    After(C),
    /// The rows that come right before the cursor's.
    Before(C),
}

impl<C> PageRequest<C> {
    /// How many rows a page has when nobody says.
    pub const DEFAULT_LIMIT: u16 = 20;
    /// How many it has at most.
    pub const MAX_LIMIT: u16 = 100;

    /// How many rows to ask the database for: one more, to know whether there are others.
    #[must_use]
    pub const fn fetch(&self) -> i64 {
        self.limit + 1
    }
}

/// How far an id may be from the time that its row says: clocks go back, and ids never do.
const SLACK: Duration = Duration::from_mins(1);

/// Ids of rows that were made between two times, with some to spare on either side: what a list in order of ids is
/// narrowed to first, so that it need not be read from its end.
#[must_use]
pub fn ids_between(from: Option<Time>, until: Option<Time>) -> (Uuid, Uuid) {
    (from.map_or(Uuid::nil(), |time| earliest(time - SLACK)), until.map_or(Uuid::max(), |time| earliest(time + SLACK)))
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub data: Vec<T>,
    /// Whether there are others beyond this page, in the direction of travel.
    pub has_more: bool,
    /// What to send as `after` for the next ones; none on the last page.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The page that `rows` are, which were fetched with [`PageRequest::fetch`]: in the list's order, or in reverse order
    /// for a page before a cursor.
    pub fn of<C, D: std::fmt::Display>(mut rows: Vec<T>, request: &PageRequest<C>, cursor: impl Fn(&T) -> D) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let backwards = matches!(request.from, PageFrom::Before(_));
        if backwards {
            rows.reverse();
        }
        // Before a cursor there is always something after: the cursor's row.
        let continues = has_more || backwards;
        let next_cursor = rows.last().filter(|_| continues).map(|row| cursor(row).to_string());
        Self { data: rows, has_more, next_cursor }
    }

    /// All that there is, where that is little.
    #[must_use]
    pub const fn whole(data: Vec<T>) -> Self {
        Self { data, has_more: false, next_cursor: None }
    }

    /// The same page of other things.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(each).collect(), has_more: self.has_more, next_cursor: self.next_cursor }
    }
}
