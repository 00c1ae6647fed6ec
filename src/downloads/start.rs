//! Starting a download: a link for whoever may have the file.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::{
    DownloadStatus, Downloads, GrantId, SourceId,
    access::{Denied, Standing, Who, standing},
    gate::Client,
    log::{self, Line},
    source::{Offered, offered},
};
use crate::{
    audit::{Actor, Entry},
    db::{AppendTable, Column, DbError, Tx},
    fetch_optional,
    kernel::{LicenseId, ProductId, TenantId, Time},
};

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such product, or it is not for sale and was not bought.
    #[error("there is no such product")]
    NotFound,
    /// Whoever asks has to say who they are.
    #[error("sign in to download this product")]
    SignIn,
    /// Whoever asks has not bought it, or not any more.
    #[error("you have no active licence of this product")]
    NotEntitled,
    /// The source that was named is none of the product's, or is not offered.
    #[error("the product has no such source, or it is not offered at the moment")]
    NoSuchSource,
    /// The product has files, but none of them can be had.
    #[error("none of the product's files can be fetched at the moment")]
    NothingNow,
    /// The product has no files.
    #[error("the product has no files")]
    NoFiles,
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Denied> for StartError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::NotFound,
            Denied::SignIn => Self::SignIn,
            Denied::NotEntitled => Self::NotEntitled,
        }
    }
}

/// Which of a product's files is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The source; else the primary one, or the newest.
    pub source: Option<SourceId>,
    /// The version; else whichever.
    pub version: Option<String>,
}

#[derive(FromRow)]
struct Found {
    id: ProductId,
    #[sqlx(flatten)]
    standing: Standing,
}

/// What somebody may have.
#[derive(Debug)]
pub struct Chosen {
    product: ProductId,
    license: Option<LicenseId>,
    source: Offered,
}

/// A link that was given out.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DownloadLink")]
pub struct Link {
    /// Which one.
    pub id: GrantId,
    /// The address; whoever has it may use it as its product says.
    pub url: String,
    /// Until when.
    pub expires_at: Time,
    /// How many downloads it is good for; continuing one that was interrupted is not another.
    pub max_uses: i64,
    /// Of what.
    pub source: Offered,
}

static DOWNLOAD_GRANTS: AppendTable = AppendTable::new(
    "download_grants",
    &[
        ("id", Column::Uuid),
        ("product_id", Column::Uuid),
        ("product_source_id", Column::Uuid),
        ("tenant_id", Column::Uuid),
        ("user_id", Column::Uuid),
        ("license_id", Column::Uuid),
        ("uses", Column::Int),
        ("max_uses", Column::Int),
        ("continuations", Column::Int),
        ("expires_at", Column::Time),
        ("created_at", Column::Time),
    ],
);

impl Downloads {
    /// What a product offers to somebody who may have it.
    pub async fn offered(&self, slug: &str, who: Option<Who>) -> Result<Vec<Offered>, StartError> {
        let found = self.find(slug, who).await?.ok_or(StartError::NotFound)?;
        found.standing.decide(who.is_some())?;
        Ok(offered(&self.0.db, found.id).await?)
    }

    async fn find(&self, slug: &str, who: Option<Who>) -> Result<Option<Found>, DbError> {
        let (db, tenant) = (&self.0.db, who.map(|who| who.tenant));
        let now = db.now();
        let statement = concat!("SELECT p.id, ", standing!("$2", "$3"), " FROM products p WHERE p.slug = $1");
        fetch_optional!(db, sqlx::query_as(statement).bind(slug).bind(tenant.map(TenantId::uuid)).bind(now))
    }

    /// Decides whether somebody may download a product, and which of its files. A refusal is in the log.
    pub async fn choose(
        &self,
        slug: &str,
        who: Option<Who>,
        wish: &Wish,
        client: &Client,
    ) -> Result<Chosen, StartError> {
        let found = self.find(slug, who).await?.ok_or(StartError::NotFound)?;
        let license = found.standing.license_id;
        let chosen = match found.standing.decide(who.is_some()) {
            Ok(()) => self.pick(found.id, wish).await,
            Err(denied) => Err(denied.into()),
        };
        match chosen {
            Ok(source) => Ok(Chosen { product: found.id, license, source }),
            Err(StartError::Db(error)) => Err(error.into()),
            Err(error) => {
                let reason = error.to_string();
                let line = Line {
                    product: found.id,
                    source: None,
                    who,
                    license,
                    grant: None,
                    client,
                    status: DownloadStatus::Refused,
                    reason: Some(&reason),
                    file_size: None,
                    range_start: None,
                };
                self.0.db.write(async |tx| Ok::<_, DbError>(log::write(tx, &line))).await?;
                Err(error)
            }
        }
    }

    async fn pick(&self, product: ProductId, wish: &Wish) -> Result<Offered, StartError> {
        let wanted = |source: &Offered| {
            wish.source.is_none_or(|id| id == source.id)
                && wish.version.as_ref().is_none_or(|version| *version == source.version)
        };
        let all = offered(&self.0.db, product).await?;
        if all.is_empty() {
            let any: Option<SourceId> = fetch_optional!(
                self.0.db,
                sqlx::query_scalar("SELECT id FROM product_sources WHERE product_id = $1 AND is_active LIMIT 1")
                    .bind(product)
            )?;
            return Err(if any.is_some() { StartError::NothingNow } else { StartError::NoFiles });
        }
        all.into_iter().find(wanted).ok_or(StartError::NoSuchSource)
    }

    /// Gives out a link to what was chosen.
    #[must_use]
    pub fn give(&self, tx: &mut Tx, chosen: &Chosen, who: Option<Who>, request: Option<String>) -> Link {
        let (id, now): (GrantId, _) = (tx.new_id(), tx.now());
        let (expires_at, max_uses) = (now + self.0.options.link_ttl, self.0.options.link_uses);
        tx.append(&DOWNLOAD_GRANTS, |row| {
            row.uuid(id.uuid())
                .uuid(chosen.product.uuid())
                .uuid(chosen.source.id.uuid())
                .uuid(who.map(|who| who.tenant.uuid()))
                .uuid(who.map(|who| who.user.uuid()))
                .uuid(chosen.license.map(LicenseId::uuid))
                .int(0)
                .int(max_uses)
                .int(0)
                .time(expires_at)
                .time(now);
        });
        let actor = who.map_or(Actor::system("downloads"), |who| Actor::user(who.user.to_string()));
        let told = json!({ "product": chosen.product, "source": chosen.source.id, "license": chosen.license });
        tx.audit(
            Entry::new(actor, "download.link_given", "download", id.to_string()).change(None, told).request(request),
        );
        metrics::counter!("mintreu_download_links_total").increment(1);
        let url = format!("{}/api/download/{}", self.0.options.public_url, self.0.links.token(id));
        Link { id, url, expires_at, max_uses, source: chosen.source.clone() }
    }
}
