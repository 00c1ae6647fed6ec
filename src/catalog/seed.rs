//! A shop to look at: the catalogue of the demonstration, imported as any other file would be.

use super::{By, Counts, Format, ImportError, ImportMode, Imported, import};
use crate::{audit::Actor, db::Db};

/// The file.
const BELIEVABLE: &str = include_str!("seed.json");

/// What there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// Products on the shelves.
    pub products: usize,
    /// Categories that they stand in.
    pub categories: usize,
    /// What the import did; nothing when everything was there.
    pub imported: Imported,
}

/// Fills the shop with a believable catalogue. What is there already stays, or becomes as the file says.
pub async fn believable(db: &Db) -> Result<Seeded, ImportError> {
    let by = By::actor(Actor::system("catalog.seed"));
    let imported = Box::pin(import(db, Format::Json, BELIEVABLE.as_bytes(), ImportMode::Keep, &by)).await?;
    let all = |counts: Counts| usize::try_from(counts.created + counts.changed + counts.unchanged).unwrap_or(0);
    Ok(Seeded { products: all(imported.products), categories: all(imported.categories), imported })
}
