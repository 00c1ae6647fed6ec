//! Which rate holds: where, for what, and when.

use sqlx::FromRow;

use super::{Percent, TaxPlace};
use crate::{
    db::{Db, DbError},
    fetch_all,
};

/// What every product is, unless its category says otherwise.
pub(in crate::catalog) const STANDARD: &str = "standard";

/// A rate that holds now, in a place.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Holding {
    pub(super) region: String,
    pub(super) category: String,
    pub(super) name: String,
    rate: i64,
}

impl Holding {
    #[cfg(test)]
    pub(super) fn new(region: &str, category: &str, name: &str, rate: i64) -> Self {
        Self { region: region.to_owned(), category: category.to_owned(), name: name.to_owned(), rate }
    }

    pub(super) const fn percent(&self) -> Percent {
        Percent::from_millionths(self.rate)
    }
}

/// The rates that hold now in a place and in all of its country, of each kind the one that began last first.
pub(super) async fn holding(db: &Db, place: &TaxPlace) -> Result<Vec<Holding>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT region, category, name, rate FROM tax_rates
             WHERE country = $1 AND (region = '' OR region = $2) AND valid_from <= $3
                   AND (valid_until IS NULL OR valid_until > $3)
             ORDER BY valid_from DESC"
        )
        .bind(place.country.code())
        .bind(&place.region)
        .bind(db.now())
    )
}

/// The rate for a category: its own before the standard one, and the region's before the country's.
pub(super) fn rate_for<'a>(rates: &'a [Holding], category: &str) -> Option<&'a Holding> {
    let of = |category: &str| {
        let mut named = rates.iter().filter(|rate| rate.category == category);
        let regional = named.clone().find(|rate| !rate.region.is_empty());
        regional.or_else(|| named.next())
    };
    of(category).or_else(|| of(STANDARD))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(region: &str, category: &str, rate: i64) -> Holding {
        Holding::new(region, category, "VAT", rate)
    }

    #[test]
    fn the_nearest_rate_holds() {
        let rates = [
            holding("", STANDARD, 1),
            holding("QC", STANDARD, 2),
            holding("", "books", 3),
            holding("QC", "games", 4),
            holding("", "games", 5),
            holding("", STANDARD, 6),
        ];
        let found = |category| rate_for(&rates, category).map(|rate| rate.rate);
        assert_eq!(
            (found("books"), found("games"), found("standard"), found("else")),
            (Some(3), Some(4), Some(2), Some(2))
        );
        assert_eq!(rate_for(&rates[..1], "else").map(|rate| rate.rate), Some(1));
        assert!(rate_for(&[], STANDARD).is_none());
        assert!(rate_for(&rates[2..3], STANDARD).is_none());
    }
}
