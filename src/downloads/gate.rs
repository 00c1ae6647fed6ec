//! The gate: whether a link may be used now, and the count of its uses.
//!
//! Requests that come together are decided together, in one transaction with two statements whatever their number: one
//! reads how their links, sources, products and licences stand, the other counts the uses. So each is decided by what
//! is true in the database at that moment, and a use costs little. Every use and refusal is in the log by the same
//! transaction, which costs no further statement.

use std::{collections::HashMap, net::IpAddr, ops::Range};

use futures::FutureExt;
use sqlx::FromRow;
use tokio::sync::oneshot;

use super::{
    DownloadId, DownloadStatus, GrantId, SourceId, SourceProvider,
    access::{Denied, Standing, Who, standing},
    batch::Batcher,
    log::{self, Line},
    range::{Conditions, Part},
    source::SourceState,
    uses::{count_downloads, count_uses},
};
use crate::{
    db::{Db, DbError, Tx},
    fetch_all,
    kernel::{ProductId, TenantId, Time, UserId},
};

/// Where a request comes from, for the log.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The address of the connection.
    pub address: Option<String>,
    /// What it says that it is.
    pub agent: Option<String>,
}

impl Client {
    /// What a request tells, as much of it as is kept.
    #[must_use]
    pub fn new(address: Option<IpAddr>, agent: Option<&str>) -> Self {
        let agent = agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(300).collect());
        Self { address: address.map(|address| address.to_canonical().to_string()), agent }
    }
}

/// How a file gets to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through this program.
    Stream,
    /// The client, or the proxy in front, is told where it is.
    Redirect,
}

/// A request to use a link.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) grant: GrantId,
    pub(super) who: Option<Who>,
    pub(super) client: Client,
    pub(super) conditions: Conditions,
    /// Whether only the answer's head is wanted, which is no use.
    pub(super) only_head: bool,
    /// Files in these stores are not sent by this program.
    pub(super) redirects: &'static [SourceProvider],
}

/// Why a link may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefused {
    /// It is none, or was given out long ago, or its source is gone.
    #[error("there is no such link")]
    Unknown,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// It was used as often as it may be.
    #[error("the link was used as often as it may be")]
    Spent,
    /// Its product wants to know who asks.
    #[error("sign in to use this link")]
    SignIn,
    /// It was given to somebody else.
    #[error("the link was given to another account")]
    OtherAccount,
    /// What it was given for is not the buyer's any more.
    #[error("there is no active licence of this product any more")]
    NotEntitled,
    /// An operator took the file out of what is offered.
    #[error("the file is not offered any more")]
    Withdrawn,
}

/// A file to be sent.
#[derive(Debug)]
pub(super) struct Serving {
    /// Which attempt it is; none for a head, which is none.
    pub(super) attempt: Option<DownloadId>,
    pub(super) grant: GrantId,
    pub(super) product: ProductId,
    pub(super) source: Served,
    pub(super) range: Option<Range<u64>>,
    /// Whether it is a download, and not the continuation of one.
    pub(super) begins: bool,
    pub(super) way: Way,
}

/// A source, as far as it matters to who sends it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) id: SourceId,
    pub(super) provider: SourceProvider,
    pub(super) source_url: String,
    pub(super) by_vendor: bool,
    pub(super) sealed_token: Option<Vec<u8>>,
    pub(super) file_name: String,
    pub(super) size: u64,
    pub(super) checksum: String,
    pub(super) content_type: String,
    pub(super) revision: i64,
}

impl Served {
    /// The file's entity tag.
    pub(super) fn tag(&self) -> String {
        format!("\"{}\"", self.checksum)
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Decision {
    Serve(Box<Serving>),
    NotModified { tag: String },
    Unsatisfiable { size: u64 },
    Refused(LinkRefused),
}

/// A link with all that decides about it.
#[derive(FromRow)]
struct Row {
    id: GrantId,
    product_id: ProductId,
    source_id: SourceId,
    tenant_id: Option<TenantId>,
    user_id: Option<UserId>,
    uses: i64,
    max_uses: i64,
    continuations: i64,
    expires_at: Time,
    provider: SourceProvider,
    source_url: String,
    by_vendor: bool,
    encrypted_token: Option<Vec<u8>>,
    file_name: String,
    file_size: Option<i64>,
    checksum: Option<String>,
    content_type: Option<String>,
    is_active: bool,
    state: SourceState,
    revision: i64,
    #[sqlx(flatten)]
    standing: Standing,
}

/// How many ranges may be fetched for each use of a link.
const CONTINUATIONS: i64 = 1_000;

type Item = (Asked, oneshot::Sender<Result<Decision, DbError>>);

/// Decides and counts. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Gate(Batcher<Item>);

impl Gate {
    pub(super) fn new(db: Db) -> Self {
        Self(Batcher::new(move |items| pass(db.clone(), items).boxed()))
    }

    /// Decides about a request. It is counted even if nobody waits for the answer any more.
    pub(super) async fn ask(&self, asked: Asked) -> Result<Decision, DbError> {
        let (sender, decision) = oneshot::channel();
        self.0.submit((asked, sender));
        let gone = || DbError::Unavailable("nobody decides about downloads any more".to_owned());
        decision.await.unwrap_or_else(|_| Err(gone()))
    }

    pub(super) async fn settled(&self) {
        self.0.settled().await;
    }
}

async fn pass(db: Db, items: Vec<Item>) {
    let (asked, senders): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    let mut decided = db.write(async |tx| decide_all(tx, &asked).await).await;
    if decided.as_ref().is_err_and(DbError::is_transient) {
        // Another process was at the same rows.
        decided = db.write(async |tx| decide_all(tx, &asked).await).await;
    }
    match decided {
        // Whoever is gone does not want to know.
        Ok(all) => all.into_iter().zip(senders).for_each(|(one, sender)| drop(sender.send(Ok(one)))),
        Err(error) => senders.into_iter().for_each(|sender| drop(sender.send(Err(error.clone())))),
    }
}

async fn decide_all(tx: &mut Tx, asked: &[Asked]) -> Result<Vec<Decision>, DbError> {
    let mut rows = read(tx, asked).await?;
    let now = tx.now();
    let mut used: HashMap<GrantId, (i64, i64)> = HashMap::new();
    let mut begun: HashMap<ProductId, i64> = HashMap::new();
    let mut decisions = Vec::with_capacity(asked.len());
    for one in asked {
        let Some(row) = rows.get_mut(&one.grant) else {
            decisions.push(Decision::Refused(LinkRefused::Unknown));
            continue;
        };
        let mut decision = decide(row, one, now);
        if let Decision::Serve(serving) = &decision
            && !one.only_head
        {
            // The next in the batch finds it counted.
            if serving.begins {
                row.uses += 1;
            } else {
                row.continuations += 1;
            }
            used.insert(row.id, (row.uses, row.continuations));
            *begun.entry(row.product_id).or_default() += i64::from(serving.begins);
        }
        note(tx, row, one, &mut decision);
        decisions.push(decision);
    }
    count_uses(tx, &used).await?;
    count_downloads(tx, &begun).await?;
    Ok(decisions)
}

async fn read(tx: &mut Tx, asked: &[Asked]) -> Result<HashMap<GrantId, Row>, DbError> {
    macro_rules! rows {
        ($among:literal, $lock:literal) => {
            concat!(
                "SELECT g.id, g.product_id, g.product_source_id AS source_id, g.tenant_id, g.user_id, g.uses, g.max_uses,
                        g.continuations, g.expires_at, s.provider, s.source_url, s.by_vendor, s.encrypted_token,
                        s.file_name, s.file_size, s.checksum, s.content_type, s.is_active, s.state, s.revision, ",
                standing!("g.tenant_id", "$2"),
                " FROM download_grants g JOIN product_sources s ON s.id = g.product_source_id
                  JOIN products p ON p.id = g.product_id WHERE g.id IN (",
                $among,
                ")",
                $lock
            )
        };
    }
    let ids: Vec<String> = asked.iter().map(|one| one.grant.uuid().simple().to_string()).collect();
    let ids = serde_json::to_string(&ids).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let now = tx.now();
    let statement = tx.dialect().pick(
        rows!("SELECT unhex(value) FROM json_each($1)", ""),
        // In one order, so that no two processes wait for each other.
        rows!("SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)", " ORDER BY g.id FOR UPDATE OF g"),
    );
    let rows: Vec<Row> = fetch_all!(tx, sqlx::query_as(statement).bind(ids).bind(now))?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

fn decide(row: &Row, asked: &Asked, now: Time) -> Decision {
    if let Err(refused) = allow(row, asked.who, now) {
        return Decision::Refused(refused);
    }
    let Some(source) = row.served() else { return Decision::Refused(LinkRefused::Withdrawn) };
    let tag = source.tag();
    let range = match asked.conditions.resolve(source.size, &tag) {
        Part::NotModified => return Decision::NotModified { tag },
        // RFC 9110, 14.2: a range means something to GET only.
        Part::Whole | Part::Some(_) | Part::Unsatisfiable if asked.only_head => None,
        Part::Whole => None,
        Part::Unsatisfiable => return Decision::Unsatisfiable { size: source.size },
        Part::Some(range) => Some(range),
    };
    let begins = row.uses == 0 || range.as_ref().is_none_or(|range| range.start == 0);
    let spent = if begins { row.uses >= row.max_uses } else { row.continuations >= row.uses * CONTINUATIONS };
    if spent && !asked.only_head {
        return Decision::Refused(LinkRefused::Spent);
    }
    let way = if asked.redirects.contains(&source.provider) { Way::Redirect } else { Way::Stream };
    let (grant, product) = (row.id, row.product_id);
    Decision::Serve(Box::new(Serving { attempt: None, grant, product, source, range, begins, way }))
}

/// Whether somebody may use a link at all.
fn allow(row: &Row, who: Option<Who>, now: Time) -> Result<(), LinkRefused> {
    // Whose it is comes first: a stranger learns nothing about it.
    match (row.tenant_id, who) {
        (Some(owner), Some(who)) if owner != who.tenant => return Err(LinkRefused::OtherAccount),
        (Some(_), None) if row.standing.requires_auth => return Err(LinkRefused::SignIn),
        _ => {}
    }
    if row.expires_at <= now {
        return Err(LinkRefused::Expired);
    }
    match row.standing.decide(row.tenant_id.is_some()) {
        Ok(()) => {}
        Err(Denied::SignIn) => return Err(LinkRefused::SignIn),
        Err(Denied::NotFound | Denied::NotEntitled) => return Err(LinkRefused::NotEntitled),
    }
    if row.is_active { Ok(()) } else { Err(LinkRefused::Withdrawn) }
}

impl Row {
    /// None if nobody knows what the file is, or it is known to be another.
    fn served(&self) -> Option<Served> {
        if self.state != SourceState::Ok {
            return None;
        }
        Some(Served {
            id: self.source_id,
            provider: self.provider,
            source_url: self.source_url.clone(),
            by_vendor: self.by_vendor,
            sealed_token: self.encrypted_token.clone(),
            file_name: self.file_name.clone(),
            size: u64::try_from(self.file_size?).ok()?,
            checksum: self.checksum.clone()?,
            content_type: self.content_type.clone().unwrap_or_else(|| super::file::ANY_TYPE.to_owned()),
            revision: self.revision,
        })
    }
}

/// Writes an attempt down: what is sent, and what is refused.
fn note(tx: &mut Tx, row: &Row, asked: &Asked, decision: &mut Decision) {
    let reason;
    let (status, reason, range) = match &*decision {
        Decision::Serve(_) if asked.only_head => return,
        Decision::Serve(serving) => {
            let redirects = serving.way == Way::Redirect;
            let status = if redirects { DownloadStatus::Redirected } else { DownloadStatus::Started };
            (status, None, serving.range.clone())
        }
        Decision::Refused(refused) => {
            reason = refused.to_string();
            (DownloadStatus::Refused, Some(reason.as_str()), None)
        }
        Decision::NotModified { .. } | Decision::Unsatisfiable { .. } => return,
    };
    // In the log stands who did it: for a link that somebody else used, that one.
    let owner = row.tenant_id.zip(row.user_id).map(|(tenant, user)| Who { user, tenant });
    let line = Line {
        product: row.product_id,
        source: Some(row.source_id),
        who: asked.who.or(owner),
        license: row.standing.license_id,
        grant: Some(row.id),
        client: &asked.client,
        status,
        reason,
        file_size: row.file_size,
        range_start: range.and_then(|range| i64::try_from(range.start).ok()),
    };
    let attempt = log::write(tx, &line);
    if let Decision::Serve(serving) = decision {
        serving.attempt = Some(attempt);
    }
}
