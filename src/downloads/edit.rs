//! How operators edit sources, and vendors those of their own products. What is edited so that its file may be another is
//! verified anew.
//!
//! A vendor is not the operator: what a vendor names is an address of the public Internet, never a file of the storage,
//! and takes no token along that somebody else gave.

use serde_json::{Map, Value};

use super::{
    SourceId, SourceProvider, SourceState,
    address::Address,
    file::{file_name_of, is_file_name},
    source::{MOST_SOURCES, Source, SourceFields, SourceRow, select_sources},
    verify::{RemoveFile, VerifySource},
};
use crate::{
    catalog::{By, Checks, EditError, patched},
    db::{DbError, Tx},
    execute, fetch_one, fetch_optional,
    kernel::{DeveloperId, ProductId, seal::Keyring},
    storage::ObjectKey,
};

/// Who edits, and whose products' sources they may.
#[derive(Debug, Clone)]
pub struct Editor {
    /// As the audit trail names them.
    pub by: By,
    /// The vendor who may edit what is theirs; none for an operator, who may edit all.
    pub developer: Option<DeveloperId>,
}

impl Editor {
    /// An operator.
    #[must_use]
    pub const fn operator(by: By) -> Self {
        Self { by, developer: None }
    }

    /// Somebody who sells as this developer.
    #[must_use]
    pub const fn vendor(by: By, developer: DeveloperId) -> Self {
        Self { by, developer: Some(developer) }
    }
}

/// What an edit is held against.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Seals tokens.
    pub keys: &'a Keyring,
    /// Whether there is a bucket.
    pub has_s3: bool,
    /// Whether addresses may be of this machine or its network.
    pub allows_plain: bool,
}

/// Files that were uploaded are below it; all others in the storage belong to whoever put them there.
pub(super) const UPLOADS: &str = "sources/";

/// What a sealed token is sealed for.
pub(super) fn token_context(id: SourceId) -> String {
    format!("product_sources.encrypted_token:{id}")
}

fn check(fields: &SourceFields, rules: Rules<'_>, of_vendor: bool) -> Result<(), EditError> {
    let mut checks = Checks::default();
    checks.line("name", &fields.name, 0..=100);
    checks.text("description", &fields.description, 0..=1_000);
    checks.line("version", &fields.version, 0..=50);
    checks.must(
        is_file_name(&fields.file_name),
        "file_name",
        "a name of 200 bytes at most, without slashes, quotes, colons, wildcards and characters that cannot be seen",
    );
    checks.object("metadata", &fields.metadata);
    let hexadecimal = |text: &String| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    checks.must(
        fields.checksum.as_ref().is_none_or(hexadecimal),
        "checksum",
        "SHA-256: 64 hexadecimal digits, in lower case",
    );
    let visible = |text: &String| (1..=4_000).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    checks.must(fields.token.as_ref().is_none_or(visible), "token", "1 to 4000 visible characters of ASCII");
    checks.must(
        fields.provider != SourceProvider::S3 || rules.has_s3,
        "provider",
        "no bucket is configured: set `storage.s3` first",
    );
    match fields.provider {
        // They would have each other's files, and the operator's.
        SourceProvider::Local | SourceProvider::S3 if of_vendor => {
            checks.add("provider", "upload the file, or name its address");
        }
        SourceProvider::Local | SourceProvider::S3 => {
            match fields.source_url.parse::<ObjectKey>() {
                Ok(key) => checks.must(!key.is_private(), "source_url", "what is below `private/` is no product's"),
                Err(error) => checks.add("source_url", error.to_string()),
            }
            checks.must(fields.token.is_none(), "token", "only addresses have one");
        }
        provider => {
            if let Err(error) = Address::parse(provider, &fields.source_url, rules.allows_plain && !of_vendor) {
                checks.add("source_url", error.to_string());
            }
        }
    }
    checks.done()
}

/// The product in this transaction, held so that its sources are edited one after the other.
async fn hold_product(tx: &mut Tx, product: ProductId, editor: &Editor) -> Result<(), EditError> {
    let statement = tx.dialect().pick(
        "SELECT id FROM products WHERE id = $1 AND ($2 IS NULL OR developer_id = $2)",
        // Orders and licences may go on referring to it.
        "SELECT id FROM products WHERE id = $1 AND ($2 IS NULL OR developer_id = $2) FOR NO KEY UPDATE",
    );
    let found: Option<ProductId> =
        fetch_optional!(tx, sqlx::query_scalar(statement).bind(product).bind(editor.developer))?;
    found.map(|_| ()).ok_or(EditError::NotFound)
}

/// Takes the first place from whoever has it.
pub(super) async fn unseat_primary(tx: &mut Tx, product: ProductId) -> Result<(), DbError> {
    let (now, no) = (tx.now(), false);
    execute!(
        tx,
        sqlx::query(
            "UPDATE product_sources SET is_primary = $3, revision = revision + 1, updated_at = $2
             WHERE product_id = $1 AND is_primary"
        )
        .bind(product)
        .bind(now)
        .bind(no)
    )?;
    Ok(())
}

/// Makes room for one more source; says whether it is the first.
pub(super) async fn hold_place(tx: &mut Tx, product: ProductId, editor: &Editor) -> Result<(), EditError> {
    hold_product(tx, product, editor).await?;
    let count: i64 =
        fetch_one!(tx, sqlx::query_scalar("SELECT COUNT(*) FROM product_sources WHERE product_id = $1").bind(product))?;
    if usize::try_from(count).unwrap_or(0) >= MOST_SOURCES {
        return Err(EditError::Refused("a product has 200 sources at most"));
    }
    Ok(())
}

/// What is put into a row that is new.
pub(super) struct NewRow<'a> {
    pub(super) id: SourceId,
    pub(super) product: ProductId,
    pub(super) fields: &'a SourceFields,
    pub(super) token: Option<Vec<u8>>,
    /// Whether the vendor named the address.
    pub(super) by_vendor: bool,
    pub(super) state: SourceState,
}

pub(super) async fn insert(tx: &mut Tx, new: &NewRow<'_>) -> Result<SourceRow, EditError> {
    let (fields, now) = (new.fields, tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO product_sources (id, product_id, provider, name, description, source_url, encrypted_token,
                 version, file_name, checksum, metadata, is_primary, is_active, state, by_vendor, revision, created_at,
                 updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1, $16, $16)"
        )
        .bind(new.id)
        .bind(new.product)
        .bind(fields.provider)
        .bind(&fields.name)
        .bind(&fields.description)
        .bind(&fields.source_url)
        .bind(&new.token)
        .bind(&fields.version)
        .bind(&fields.file_name)
        .bind(&fields.checksum)
        .bind(Value::Object(fields.metadata.clone()).to_string())
        .bind(fields.is_primary)
        .bind(fields.is_active)
        .bind(new.state)
        .bind(new.by_vendor)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "is_primary", "the product is gone"))?;
    Ok(fetch_one!(tx, sqlx::query_as(select_sources!("WHERE s.id = $1")).bind(new.id))?)
}

fn seal(rules: Rules<'_>, id: SourceId, token: Option<&str>) -> Result<Option<Vec<u8>>, EditError> {
    let seal = |token: &str| rules.keys.seal(&token_context(id), token.as_bytes());
    token.map(seal).transpose().map_err(|_| EditError::flaw("#/token", "it cannot be sealed"))
}

/// The fields as the audit trail keeps them.
fn told(fields: &SourceFields) -> SourceFields {
    SourceFields { token: fields.token.as_ref().map(|_| "(sealed)".to_owned()), ..fields.clone() }
}

/// Adds a source to a product. It is offered once it has been verified, which is queued.
pub async fn create_source(
    tx: &mut Tx,
    product: ProductId,
    mut fields: SourceFields,
    rules: Rules<'_>,
    editor: &Editor,
) -> Result<Source, EditError> {
    let by_vendor = editor.developer.is_some();
    if fields.file_name.is_empty() {
        let path = fields.source_url.split(['?', '#']).next().unwrap_or_default();
        fields.file_name = file_name_of(path);
    }
    check(&fields, rules, by_vendor)?;
    hold_place(tx, product, editor).await?;
    if fields.is_primary {
        unseat_primary(tx, product).await?;
    }
    let id: SourceId = tx.new_id();
    let token = seal(rules, id, fields.token.as_deref())?;
    let new = NewRow { id, product, fields: &fields, token, by_vendor, state: SourceState::Unverified };
    let row = insert(tx, &new).await?;
    tx.enqueue(&VerifySource { source: id }).await?;
    tx.audit(editor.by.entry("source.created", ("source", id.to_string()), None, Some(&told(&fields))));
    Ok(row.into())
}

async fn held(tx: &mut Tx, id: SourceId, revision: i64, editor: &Editor) -> Result<SourceRow, EditError> {
    let product: Option<ProductId> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT product_id FROM product_sources WHERE id = $1").bind(id))?;
    hold_product(tx, product.ok_or(EditError::NotFound)?, editor).await?;
    let row: Option<SourceRow> = fetch_optional!(tx, sqlx::query_as(select_sources!("WHERE s.id = $1")).bind(id))?;
    let row = row.ok_or(EditError::NotFound)?;
    match row.state {
        _ if row.revision != revision => Err(EditError::Stale),
        SourceState::Uploading => Err(EditError::Refused("its file is being received")),
        SourceState::Unverified | SourceState::Ok | SourceState::Broken => Ok(row),
    }
}

/// Changes what the patch names, if the source is still at `revision`.
pub async fn patch_source(
    tx: &mut Tx,
    id: SourceId,
    revision: i64,
    patch: &Map<String, Value>,
    (rules, editor): (Rules<'_>, &Editor),
) -> Result<Source, EditError> {
    let row = held(tx, id, revision, editor).await?;
    let (product, sealed, was_by_vendor) = (row.product_id, row.encrypted_token.clone(), row.by_vendor);
    let current = Source::from(row);
    let mut fields = patched(&current.fields, patch)?;
    if fields.file_name.is_empty() {
        fields.file_name.clone_from(&current.fields.file_name);
    }
    let is_moved = fields.provider != current.fields.provider || fields.source_url != current.fields.source_url;
    let by_vendor = is_moved && editor.developer.is_some();
    let is_file_new = is_moved || patch.contains_key("token") || fields.checksum != current.fields.checksum;
    if is_file_new && !patch.contains_key("checksum") {
        // What was found out about another file says nothing of this one.
        fields.checksum = None;
    }
    check(&fields, rules, by_vendor)?;
    if by_vendor && sealed.is_some() && !patch.contains_key("token") {
        return Err(EditError::flaw("#/token", "the address is another: name its token again, or null"));
    }
    let token = if patch.contains_key("token") { seal(rules, id, fields.token.as_deref())? } else { sealed };
    if fields.provider.is_stored() && token.is_some() {
        return Err(EditError::flaw("#/token", "only addresses have one; set it to null"));
    }
    if fields.is_primary && !current.fields.is_primary {
        unseat_primary(tx, product).await?;
    }
    let by_vendor = if is_moved { by_vendor } else { was_by_vendor };
    let row = write(tx, &current, &fields, (token, by_vendor), is_file_new).await?;
    if is_file_new {
        tx.enqueue(&VerifySource { source: id }).await?;
        remove_upload(tx, &current.fields).await?;
    }
    let object = ("source", id.to_string());
    tx.audit(editor.by.entry("source.changed", object, Some(&told(&current.fields)), Some(&told(&fields))));
    Ok(row.into())
}

async fn write(
    tx: &mut Tx,
    current: &Source,
    fields: &SourceFields,
    (token, by_vendor): (Option<Vec<u8>>, bool),
    is_file_new: bool,
) -> Result<SourceRow, EditError> {
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE product_sources SET provider = $3, name = $4, description = $5, source_url = $6,
                 encrypted_token = $7, version = $8, file_name = $9, checksum = $10, metadata = $11, is_primary = $12,
                 is_active = $13, by_vendor = $16, revision = revision + 1, updated_at = $14,
                 state = CASE WHEN $15 = 1 THEN 'unverified' ELSE state END,
                 problem = CASE WHEN $15 = 1 THEN NULL ELSE problem END,
                 file_size = CASE WHEN $15 = 1 THEN NULL ELSE file_size END,
                 content_type = CASE WHEN $15 = 1 THEN NULL ELSE content_type END,
                 origin_tag = CASE WHEN $15 = 1 THEN NULL ELSE origin_tag END
             WHERE id = $1 AND revision = $2"
        )
        .bind(current.id)
        .bind(current.revision)
        .bind(fields.provider)
        .bind(&fields.name)
        .bind(&fields.description)
        .bind(&fields.source_url)
        .bind(token)
        .bind(&fields.version)
        .bind(&fields.file_name)
        .bind(&fields.checksum)
        .bind(Value::Object(fields.metadata.clone()).to_string())
        .bind(fields.is_primary)
        .bind(fields.is_active)
        .bind(now)
        .bind(i64::from(is_file_new))
        .bind(by_vendor)
    )
    .map_err(|error| EditError::of_write(error, "is_primary", "the product is gone"))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    Ok(fetch_one!(tx, sqlx::query_as(select_sources!("WHERE s.id = $1")).bind(current.id))?)
}

/// An uploaded file goes with its source, unless another refers to it.
async fn remove_upload(tx: &mut Tx, fields: &SourceFields) -> Result<(), DbError> {
    if fields.provider.is_stored() && fields.source_url.starts_with(UPLOADS) {
        tx.enqueue(&RemoveFile { provider: fields.provider, key: fields.source_url.clone() }).await?;
    }
    Ok(())
}

/// Removes a source, and its file if it was uploaded. Links to it lead nowhere from now on.
pub async fn delete_source(tx: &mut Tx, id: SourceId, revision: i64, editor: &Editor) -> Result<(), EditError> {
    let current = Source::from(held(tx, id, revision, editor).await?);
    execute!(tx, sqlx::query("DELETE FROM product_sources WHERE id = $1").bind(id))?;
    remove_upload(tx, &current.fields).await?;
    tx.audit(editor.by.entry("source.deleted", ("source", id.to_string()), Some(&told(&current.fields)), None));
    Ok(())
}

/// Has a source looked at now, whenever that was done last.
pub async fn verify_now(tx: &mut Tx, id: SourceId, editor: &Editor) -> Result<(), EditError> {
    let found: Option<SourceId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT s.id FROM product_sources s JOIN products p ON p.id = s.product_id
             WHERE s.id = $1 AND ($2 IS NULL OR p.developer_id = $2)"
        )
        .bind(id)
        .bind(editor.developer)
    )?;
    found.ok_or(EditError::NotFound)?;
    tx.enqueue(&VerifySource { source: id }).await?;
    tx.audit(editor.by.entry::<SourceFields>("source.verification_asked", ("source", id.to_string()), None, None));
    Ok(())
}
