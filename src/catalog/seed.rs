//! Stand-in.

use crate::db::{Db, DbError};

/// What is on the shelves.
#[derive(Debug)]
pub struct Seeded {
    /// Products.
    pub products: usize,
    /// Categories.
    pub categories: usize,
}

/// Stand-in.
pub async fn believable(_db: &Db) -> Result<Seeded, DbError> {
    Ok(Seeded { products: 0, categories: 0 })
}
