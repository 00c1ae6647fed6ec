//! A product's sources: where its files come from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;

use crate::{
    db::{Db, DbError},
    fetch_all, fetch_optional, id_type,
    kernel::{DeveloperId, ProductId, Time},
    text_enum,
};

id_type!(SourceId, SourceMarker, "src", "A source of a product's files.");

text_enum! {
    /// What a source is.
    pub enum SourceProvider {
        /// A file in the storage's directory.
        Local = "local",
        /// A file in the storage's bucket.
        S3 = "s3",
        /// An address of the web.
        Url = "url",
        /// A release of a repository at GitHub, or at a GitHub Enterprise server.
        Github = "github",
        /// A release of a project at GitLab.
        Gitlab = "gitlab",
        /// A release of a repository at a Gitea or Forgejo server.
        Gitea = "gitea",
    }
}

impl SourceProvider {
    /// Whether the file is in one of our stores.
    #[must_use]
    pub const fn is_stored(self) -> bool {
        matches!(self, Self::Local | Self::S3)
    }
}

text_enum! {
    /// How a source stands.
    pub enum SourceState {
        /// Its file is being received.
        Uploading = "uploading",
        /// Nobody has looked at it yet.
        Unverified = "unverified",
        /// Its file is there and is what it was.
        Ok = "ok",
        /// Its file is not there, or is another.
        Broken = "broken",
    }
}

/// What can be said about a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceFields {
    /// What it is.
    pub provider: SourceProvider,
    /// As buyers read it, such as `Linux, 64 bit`.
    #[serde(default)]
    pub name: String,
    /// A sentence about it.
    #[serde(default)]
    pub description: String,
    /// A file's name in the storage, or an address.
    pub source_url: String,
    /// What opens a private address; kept sealed and never shown.
    #[serde(default)]
    pub token: Option<String>,
    /// The version of the product that it holds.
    #[serde(default)]
    pub version: String,
    /// What buyers' files are called; the last part of the address if nothing is said.
    #[serde(default)]
    pub file_name: String,
    /// The SHA-256 that its file must have; if nothing is said, what it has when it is verified first.
    #[serde(default)]
    pub checksum: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Whether it is the one that buyers get who name none.
    #[serde(default)]
    pub is_primary: bool,
    /// Whether it is offered.
    #[serde(default = "yes")]
    pub is_active: bool,
}

const fn yes() -> bool {
    true
}

/// A source as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Which one.
    pub id: SourceId,
    /// Of which product.
    pub product: ProductId,
    /// What is said about it; never its token.
    #[serde(flatten)]
    pub fields: SourceFields,
    /// Whether it has a token.
    pub has_token: bool,
    /// The length of its file in bytes.
    pub file_size: Option<i64>,
    /// What its file is, by its content.
    pub content_type: Option<String>,
    /// How it stands.
    pub state: SourceState,
    /// Why it is broken.
    pub problem: Option<String>,
    /// When somebody last looked.
    pub last_verified_at: Option<Time>,
    /// Grows with every edit.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was edited last.
    pub updated_at: Time,
}

/// A source as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SourceRow {
    pub(super) id: SourceId,
    pub(super) product_id: ProductId,
    pub(super) provider: SourceProvider,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) source_url: String,
    pub(super) by_vendor: bool,
    pub(super) encrypted_token: Option<Vec<u8>>,
    pub(super) version: String,
    pub(super) file_name: String,
    pub(super) file_size: Option<i64>,
    pub(super) checksum: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) metadata: String,
    pub(super) is_primary: bool,
    pub(super) is_active: bool,
    pub(super) state: SourceState,
    pub(super) problem: Option<String>,
    pub(super) origin_tag: Option<String>,
    pub(super) last_verified_at: Option<Time>,
    pub(super) revision: i64,
    pub(super) created_at: Time,
    pub(super) updated_at: Time,
}

impl From<SourceRow> for Source {
    fn from(row: SourceRow) -> Self {
        Self {
            id: row.id,
            product: row.product_id,
            fields: SourceFields {
                provider: row.provider,
                name: row.name,
                description: row.description,
                source_url: row.source_url,
                token: None,
                version: row.version,
                file_name: row.file_name,
                checksum: row.checksum,
                // Written by this slice, which writes objects.
                metadata: serde_json::from_str(&row.metadata).unwrap_or_default(),
                is_primary: row.is_primary,
                is_active: row.is_active,
            },
            has_token: row.encrypted_token.is_some(),
            file_size: row.file_size,
            content_type: row.content_type,
            state: row.state,
            problem: row.problem,
            last_verified_at: row.last_verified_at,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! select_sources {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.product_id, s.provider, s.name, s.description, s.source_url, s.by_vendor, s.encrypted_token, s.version,
                    s.file_name, s.file_size, s.checksum, s.content_type, s.metadata, s.is_primary, s.is_active, s.state,
                    s.problem, s.origin_tag, s.last_verified_at, s.revision, s.created_at, s.updated_at
             FROM product_sources s ",
            $rest
        )
    };
}
pub(super) use select_sources;

/// The most sources that a product has.
pub const MOST_SOURCES: usize = 200;

/// A source.
pub async fn source(db: &Db, id: SourceId) -> Result<Option<Source>, DbError> {
    Ok(source_row(db, id).await?.map(Source::from))
}

/// A source that somebody manages: any, or one of a developer's products.
pub async fn managed_source(db: &Db, id: SourceId, developer: Option<DeveloperId>) -> Result<Option<Source>, DbError> {
    let row: Option<SourceRow> = fetch_optional!(
        db,
        sqlx::query_as(select_sources!(
            "JOIN products p ON p.id = s.product_id WHERE s.id = $1 AND ($2 IS NULL OR p.developer_id = $2)"
        ))
        .bind(id)
        .bind(developer)
    )?;
    Ok(row.map(Source::from))
}

/// The sources of a product that somebody manages: of any, or of a developer's. None if there is no such product.
pub async fn managed_sources(
    db: &Db,
    product: ProductId,
    developer: Option<DeveloperId>,
) -> Result<Option<Vec<Source>>, DbError> {
    let found: Option<ProductId> = fetch_optional!(
        db,
        sqlx::query_scalar("SELECT id FROM products WHERE id = $1 AND ($2 IS NULL OR developer_id = $2)")
            .bind(product)
            .bind(developer)
    )?;
    match found {
        Some(product) => sources(db, product).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn source_row(db: &Db, id: SourceId) -> Result<Option<SourceRow>, DbError> {
    fetch_optional!(db, sqlx::query_as(select_sources!("WHERE s.id = $1")).bind(id))
}

/// A product's sources: the primary one first, then the newest.
pub async fn sources(db: &Db, product: ProductId) -> Result<Vec<Source>, DbError> {
    let rows: Vec<SourceRow> = fetch_all!(
        db,
        sqlx::query_as(select_sources!("WHERE s.product_id = $1 ORDER BY s.is_primary DESC, s.id DESC")).bind(product)
    )?;
    Ok(rows.into_iter().map(Source::from).collect())
}

/// What a source offers, as buyers see it: nothing of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "OfferedSource")]
pub struct Offered {
    /// Which one.
    pub id: SourceId,
    /// What it is called.
    pub name: String,
    /// What it is, in a line or two.
    pub description: String,
    /// Which version of the product it is, e.g. `2.1.0`.
    pub version: String,
    /// Under which name it is saved.
    pub file_name: String,
    /// How long it is, in bytes.
    pub file_size: i64,
    /// SHA-256, in hexadecimal.
    pub checksum: String,
    /// Its media type, e.g. `application/zip`.
    pub content_type: String,
    /// Whether it is the one that is had where none is named.
    pub is_primary: bool,
}

impl Offered {
    /// None unless the file was found to be there.
    pub(super) fn of(row: SourceRow) -> Option<Self> {
        if row.state != SourceState::Ok || !row.is_active {
            return None;
        }
        let name = if row.name.is_empty() { row.file_name.clone() } else { row.name };
        Some(Self {
            id: row.id,
            name,
            description: row.description,
            version: row.version,
            file_name: row.file_name,
            file_size: row.file_size?,
            checksum: row.checksum?,
            content_type: row.content_type.unwrap_or_else(|| super::file::ANY_TYPE.to_owned()),
            is_primary: row.is_primary,
        })
    }
}

/// What a product offers, the first choice first; whether somebody may have it is another matter.
pub async fn offered(db: &Db, product: ProductId) -> Result<Vec<Offered>, DbError> {
    let rows: Vec<SourceRow> = fetch_all!(
        db,
        sqlx::query_as(select_sources!(
            "WHERE s.product_id = $1 AND s.is_active AND s.state = 'ok' ORDER BY s.is_primary DESC, s.id DESC"
        ))
        .bind(product)
    )?;
    Ok(rows.into_iter().filter_map(Offered::of).collect())
}
