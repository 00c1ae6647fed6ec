//! Lists in SQL: conditions that may be set, and the end of a statement for a page of a sorted list.

use super::Dialect;
use crate::kernel::{ByTime, PageFrom, PageRequest, RowId, Sort, SortField, Sorted};

/// Those of the conditions that are set, each with ` AND ` before it. What is not set is not in the text, so that each
/// statement is planned for what it asks; its parameters go unused.
#[must_use]
pub fn conditions(all: &[(bool, &str)]) -> String {
    let mut text = String::new();
    for (_, condition) in all.iter().filter(|(is_set, _)| *is_set) {
        text.push_str(" AND ");
        text.push_str(condition);
    }
    text
}

/// What rows are compared by.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// A text; `''` where a number tells.
    pub text: &'a str,
    /// A number; `0` where a text tells.
    pub number: &'a str,
}

impl Compared<'static> {
    /// By their ids.
    pub const BY_ID: Self = Self { text: "''", number: "0" };

    /// By a text that is never null.
    #[must_use]
    pub const fn text(text: &'static str) -> Self {
        Self { text, ..Self::BY_ID }
    }

    /// By a number that is never null.
    #[must_use]
    pub const fn number(number: &'static str) -> Self {
        Self { number, ..Self::BY_ID }
    }
}

impl Compared<'_> {
    /// What a statement selects for the cursors of its rows.
    #[must_use]
    pub fn columns(&self) -> String {
        format!("{} AS sort_text, CAST({} AS BIGINT) AS sort_number", self.text, self.number)
    }
}

/// The end of a statement for a page: `first` is the first of the parameters that [`bind_place!`](crate::bind_place) binds.
#[must_use]
pub fn page_of<F: SortField, I: RowId>(
    sorted: &Sorted<F, I>,
    by: Compared<'_>,
    id: &str,
    first: usize,
    dialect: Dialect,
) -> String {
    let (sign, order) = if sorted.reads_down() { ("<", "DESC") } else { (">", "ASC") };
    let (number, text, limit) = (first + 1, first + 2, first + 3);
    let (keys, place, order_by) = if sorted.field() == F::CREATED {
        (id.to_owned(), format!("${first}"), format!("{id} {order}"))
    } else if by.number == "0" {
        (format!("({}, {id})", by.text), format!("(${text}, ${first})"), format!("{} {order}, {id} {order}", by.text))
    } else {
        let number = format!("${number}{}", dialect.pick("", "::bigint"));
        (
            format!("({}, {id})", by.number),
            format!("({number}, ${first})"),
            format!("{} {order}, {id} {order}", by.number),
        )
    };
    let behind = if sorted.place().is_some() { format!(" AND {keys} {sign} {place}") } else { String::new() };
    format!("{behind} ORDER BY {order_by} LIMIT ${limit}")
}

/// Binds the four parameters of [`page_of`]: the id, the number and the text of the place, and the limit.
#[macro_export]
macro_rules! bind_place {
    ($query:expr, $sorted:expr) => {
        $query.bind($sorted.id()).bind($sorted.number()).bind($sorted.text()).bind($sorted.fetch())
    };
}

/// The end of a statement for a page of a list in order of its ids: `first` is the parameter of the cursor's id, which
/// [`place_of`] gives, and the next one the limit.
#[must_use]
pub fn page_by_time<I>(request: &PageRequest<I>, sort: Option<Sort<ByTime>>, id: &str, first: usize) -> String {
    let down = sort.unwrap_or_default().down != matches!(request.from, PageFrom::Before(_));
    let (sign, order) = if down { ("<", "DESC") } else { (">", "ASC") };
    let behind = match request.from {
        PageFrom::Start => String::new(),
        PageFrom::After(_) | PageFrom::Before(_) => format!(" AND {id} {sign} ${first}"),
    };
    format!("{behind} ORDER BY {id} {order} LIMIT ${}", first + 1)
}

/// The id that a page begins behind.
#[must_use]
pub fn place_of<I: RowId>(request: &PageRequest<I>) -> Option<uuid::Uuid> {
    match request.from {
        PageFrom::Start => None,
        PageFrom::After(id) | PageFrom::Before(id) => Some(id.in_database()),
    }
}
