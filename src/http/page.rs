//! `?limit=&after=&before=` of lists.

use std::{fmt::Display, str::FromStr};

use serde::Deserialize;

use super::problem::{Kind, Problem};
use crate::kernel::{PageFrom, PageRequest, Place, RowId, Sort, SortField, Sorted};

/// The parameters of a page; take it as `Query<PageQuery<OrderId>>`, beside other `Query` arguments.
#[derive(Debug, Clone, Deserialize)]
pub struct PageQuery<C> {
    limit: Option<u16>,
    after: Option<C>,
    before: Option<C>,
}

impl<C> PageQuery<C> {
    /// What they ask for.
    pub fn request(self) -> Result<PageRequest<C>, Problem> {
        let limit = self.limit.unwrap_or(PageRequest::<C>::DEFAULT_LIMIT);
        let max = PageRequest::<C>::MAX_LIMIT;
        if limit == 0 || limit > max {
            return Err(Problem::new(Kind::InvalidParameter).error("#/limit", format!("expected 1 to {max}")));
        }
        let from = match (self.after, self.before) {
            (Some(_), Some(_)) => {
                return Err(Problem::new(Kind::InvalidParameter).error("#/before", "not together with `after`"));
            }
            (Some(cursor), None) => PageFrom::After(cursor),
            (None, Some(cursor)) => PageFrom::Before(cursor),
            (None, None) => PageFrom::Start,
        };
        Ok(PageRequest { limit: i64::from(limit), from })
    }
}

impl PageQuery<String> {
    /// What they ask for, where a place in the list is a text of its own.
    pub fn read<C: FromStr<Err: Display>>(self) -> Result<PageRequest<C>, Problem> {
        let PageRequest { limit, from } = self.request()?;
        let read = |pointer: &str, text: String| {
            text.parse().map_err(|error: C::Err| Problem::new(Kind::InvalidParameter).error(pointer, error.to_string()))
        };
        let from = match from {
            PageFrom::Start => PageFrom::Start,
            PageFrom::After(text) => PageFrom::After(read("#/after", text)?),
            PageFrom::Before(text) => PageFrom::Before(read("#/before", text)?),
        };
        Ok(PageRequest { limit, from })
    }
}

impl PageQuery<String> {
    /// What they ask for of a list that can be sorted.
    pub fn sorted<F: SortField, I: RowId>(self, sort: Option<Sort<F>>) -> Result<Sorted<F, I>, Problem> {
        let request: PageRequest<Place<F, I>> = self.read()?;
        Ok(Sorted::of(sort.unwrap_or_default(), request)?)
    }
}
