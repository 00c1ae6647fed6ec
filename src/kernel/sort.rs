//! The order of lists, `?sort=email` or `?sort=-created`, and places in lists that are in such an order.
//!
//! A list is always in one order of all its rows: what it is sorted by, and rows that are alike in that by their ids. So
//! a page follows on another without a row twice or left out, also while rows are added.

use std::{borrow::Cow, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

use super::{Id, Page, PageFrom, PageRequest, Prefix, text_enum::UnknownName};

/// What a list may be sorted by: the fields that it names, of which one is when its rows were made, which ids tell.
pub trait SortField: Copy + Eq + fmt::Display + FromStr<Err = UnknownName> + 'static {
    /// When they were made.
    const CREATED: Self;
}

crate::text_enum! {
    /// What lists are sorted by that grow too fast to have another index: when their rows were made.
    pub enum ByTime {
        /// When they were made.
        Created = "created",
    }
}

impl SortField for ByTime {
    const CREATED: Self = Self::Created;
}

/// What rows of a list are told apart by, in the order in which they were made.
pub trait RowId: Copy + fmt::Display + FromStr + 'static {
    /// As the database has it.
    fn in_database(self) -> Uuid;
}

impl<P: Prefix> RowId for Id<P> {
    fn in_database(self) -> Uuid {
        self.uuid()
    }
}

/// An order: a field, and its direction. The newest first if nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort<F> {
    /// By what.
    pub field: F,
    /// The largest first.
    pub down: bool,
}

impl<F: SortField> Default for Sort<F> {
    fn default() -> Self {
        Self { field: F::CREATED, down: true }
    }
}

impl<F: SortField> FromStr for Sort<F> {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "newest" => Ok(Self { field: F::CREATED, down: true }),
            "oldest" => Ok(Self { field: F::CREATED, down: false }),
            _ => match text.strip_prefix('-') {
                Some(field) => Ok(Self { field: field.parse()?, down: true }),
                None => Ok(Self { field: text.parse()?, down: false }),
            },
        }
    }
}

impl<F: fmt::Display> fmt::Display for Sort<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.down { "-" } else { "" }, self.field)
    }
}

impl<'de, F: SortField> Deserialize<'de> for Sort<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error: UnknownName| {
            de::Error::custom(format!("{error}; with `-` before it the largest comes first"))
        })
    }
}

/// The words that there are: each field in either direction.
impl<F: SortField> JsonSchema for Sort<F> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Sort".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // What names nothing is told the names.
        let known = "".parse::<F>().map_or_else(|unknown| unknown.known, |_| &[]);
        let mut words: Vec<String> =
            known.iter().flat_map(|field| [format!("-{field}"), (*field).to_owned()]).collect();
        words.extend(["newest".to_owned(), "oldest".to_owned()]);
        let usual = Self::default().to_string();
        json_schema!({ "type": "string", "enum": words, "default": usual })
    }
}

/// What a row is sorted by: a number, a text, or neither, where its id tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// The number; nothing where a text tells.
    #[serde(rename = "n", default)]
    pub number: i64,
    /// The text; empty where a number tells.
    #[serde(rename = "t", default)]
    pub text: String,
}

/// A place in a sorted list: its row's id and what that is sorted by.
#[derive(Debug, Clone)]
pub struct Place<F, I> {
    sort: Sort<F>,
    /// What the row there is sorted by.
    pub key: SortKey,
    /// The row there.
    pub id: I,
}

/// A text that is no place in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not one of ours.
    #[error("not a cursor of this list")]
    Malformed,
    /// Of the list in another order.
    #[error("the cursor is of a list in another order: begin anew, or use the order that it came with")]
    OtherOrder,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "s")]
    sort: String,
    #[serde(flatten)]
    key: SortKey,
    #[serde(rename = "i")]
    id: String,
}

/// A list sorted by time has ids for its places, as all other lists have.
impl<F: SortField, I: RowId> fmt::Display for Place<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sort.field == F::CREATED {
            return write!(f, "{}", self.id);
        }
        let written = Written { sort: self.sort.to_string(), key: self.key.clone(), id: self.id.to_string() };
        // Texts and a number always serialise.
        f.write_str(&BASE64.encode(serde_json::to_vec(&written).unwrap_or_default()))
    }
}

impl<F: SortField, I: RowId> FromStr for Place<F, I> {
    type Err = PlaceError;
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if let Ok(id) = text.parse() {
            return Ok(Self { sort: Sort::default(), key: SortKey::default(), id });
        }
        let bytes = BASE64.decode(text).map_err(|_| PlaceError::Malformed)?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|_| PlaceError::Malformed)?;
        let sort = written.sort.parse().map_err(|_| PlaceError::Malformed)?;
        let id = written.id.parse().map_err(|_| PlaceError::Malformed)?;
        // PostgreSQL takes no NUL in a text.
        if written.key.text.contains('\0') {
            return Err(PlaceError::Malformed);
        }
        Ok(Self { sort, key: written.key, id })
    }
}

/// A page of a sorted list.
#[derive(Debug, Clone)]
pub struct Sorted<F, I> {
    sort: Sort<F>,
    request: PageRequest<Place<F, I>>,
}

impl<F: SortField, I: RowId> Sorted<F, I> {
    /// The page of the list in this order; a cursor must be of a list in the same.
    pub fn of(sort: Sort<F>, request: PageRequest<Place<F, I>>) -> Result<Self, PlaceError> {
        let fits = match &request.from {
            PageFrom::Start => true,
            // The id alone is a place in either direction.
            PageFrom::After(place) | PageFrom::Before(place) if sort.field == F::CREATED => {
                place.sort.field == F::CREATED
            }
            PageFrom::After(place) | PageFrom::Before(place) => place.sort == sort,
        };
        if fits { Ok(Self { sort, request }) } else { Err(PlaceError::OtherOrder) }
    }

    /// What it is sorted by.
    #[must_use]
    pub const fn field(&self) -> F {
        self.sort.field
    }

    /// Whether rows are read from the largest to the smallest: as the list is, or against it.
    #[must_use]
    pub const fn reads_down(&self) -> bool {
        self.sort.down != matches!(self.request.from, PageFrom::Before(_))
    }

    /// The place that the page begins behind.
    #[must_use]
    pub const fn place(&self) -> Option<&Place<F, I>> {
        match &self.request.from {
            PageFrom::Start => None,
            PageFrom::After(place) | PageFrom::Before(place) => Some(place),
        }
    }

    /// The id there.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.place().map(|place| place.id.in_database())
    }

    /// The number there.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.place().map_or(0, |place| place.key.number)
    }

    /// The text there.
    #[must_use]
    pub fn text(&self) -> &str {
        self.place().map_or("", |place| &place.key.text)
    }

    /// How many rows to ask for.
    #[must_use]
    pub const fn fetch(&self) -> i64 {
        self.request.fetch()
    }

    /// The page that `rows` are, which were fetched so.
    pub fn page<T>(&self, rows: Vec<T>, of: impl Fn(&T) -> (I, SortKey)) -> Page<T> {
        Page::of(rows, &self.request, |row| {
            let (id, key) = of(row);
            Place::<F, I> { sort: self.sort, key, id }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::UserId;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum By {
        Created,
        Name,
    }
    impl fmt::Display for By {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if *self == Self::Created { "created" } else { "name" })
        }
    }
    impl FromStr for By {
        type Err = UnknownName;
        fn from_str(text: &str) -> Result<Self, UnknownName> {
            match text {
                "created" => Ok(Self::Created),
                "name" => Ok(Self::Name),
                _ => Err(UnknownName { known: &["created", "name"] }),
            }
        }
    }
    impl SortField for By {
        const CREATED: Self = Self::Created;
    }
    type Here = Place<By, UserId>;

    fn id() -> UserId {
        UserId::from_uuid(Uuid::from_u128(7))
    }

    #[test]
    fn an_order_is_a_field_and_perhaps_a_hyphen() {
        let read = |text: &str| text.parse::<Sort<By>>();
        assert_eq!(read("name"), Ok(Sort { field: By::Name, down: false }));
        assert_eq!(read("-name"), Ok(Sort { field: By::Name, down: true }));
        assert_eq!(read("newest"), Ok(Sort::default()));
        assert_eq!(read("oldest"), read("created"));
        for wrong in ["", "-", "--name", "Name", "email", "name,created", "name desc"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_is_read_back_and_other_texts_are_refused() {
        let key = SortKey { number: -3, text: "ä\"\\".to_owned() };
        let place: Here = Place { sort: Sort { field: By::Name, down: true }, key: key.clone(), id: id() };
        let read: Here = place.to_string().parse().expect("read");
        assert_eq!((read.key, read.id, read.sort), (key, id(), place.sort));
        let plain: Here = id().to_string().parse().expect("read");
        assert_eq!(plain.to_string(), id().to_string());
        let nul = Here { key: SortKey { number: 0, text: "a\0".to_owned() }, ..place };
        for wrong in ["", "x", "usr_1", "e30", &BASE64.encode("[]"), &nul.to_string()] {
            assert!(wrong.parse::<Here>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_belongs_to_the_order_that_it_came_from() {
        let at = |sort: Sort<By>| Here { sort, key: SortKey::default(), id: id() };
        let page = |place: Here| PageRequest { limit: 1, from: PageFrom::After(place) };
        let (up, down) = (Sort { field: By::Name, down: false }, Sort { field: By::Name, down: true });
        let by_time = Sort::<By>::default();
        for (sort, place, fits) in [
            (up, up, true),
            (up, down, false),
            (up, by_time, false),
            (by_time, up, false),
            (by_time, by_time, true),
            (Sort { down: false, ..by_time }, by_time, true),
        ] {
            assert_eq!(Sorted::of(sort, page(at(place))).is_ok(), fits, "{sort} {place}");
        }
    }
}
