//! Writing an archive: a ZIP of JSON files, one for each kind of thing, and of the person's papers and files.
//!
//! It is written page by page into the storage under the export's own name, and then marked as ready in one transaction with
//! all that follows. So a job that is killed in between writes the same file again, and nobody is told twice.

mod readme;
mod rows;
mod sink;

use futures::TryStreamExt;
use uuid::Uuid;

use self::{
    rows::Rows,
    sink::{Packed, Sink},
};
use super::{
    DataExport, DataExportId, DataExported, ExportState, Privacy,
    catalogue::{File, Table, spelled, tables},
    export,
    subject::{Subject, bind_subject},
};
use crate::{
    audit::{self, Actor, AuditError, Disclosure, Entry, Filter},
    db::{Db, DbError, Tx},
    execute, fetch_all,
    invoices::{self, Document},
    jobs::{Attempt, Failure},
    notifications::Notice,
    storage::StorageError,
    support::{self, Attachment},
};

/// Why an archive is not written this time.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The storage does not take it, or does not give what belongs into it.
    #[error("the archive: {0}")]
    Storage(#[from] StorageError),
    /// The storage has given up.
    #[error("the archive: nobody takes it")]
    Unheard,
    /// It cannot be packed.
    #[error("the archive: {0}")]
    Pack(String),
    /// The audit trail cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Db(error) => error.into(),
            error => Self::retry(error),
        }
    }
}

/// Writes an archive that was asked for. Done again, it finds that there is nothing to do.
pub async fn build_archive(privacy: &Privacy, id: DataExportId, attempt: Attempt) -> Result<(), Failure> {
    let db = &privacy.db;
    let Some(wanted) = export::find_any_export(db, id).await?.filter(|it| it.state == ExportState::Pending) else {
        return Ok(());
    };
    match write(privacy, &wanted).await {
        Ok(packed) => {
            if !db.write(async |tx| ready(tx, privacy, &wanted, &packed).await).await? {
                // It is not wanted any more: the person was erased meanwhile.
                privacy.files.remove(&export::key(id)).await.map_err(Failure::retry)?;
            }
            metrics::counter!("mintreu_data_exports_total", "outcome" => "ready").increment(1);
            Ok(())
        }
        Err(error) => {
            if attempt.number >= attempt.max {
                db.write(async |tx| failed(tx, id).await).await?;
                metrics::counter!("mintreu_data_exports_total", "outcome" => "failed").increment(1);
            }
            Err(error.into())
        }
    }
}

async fn ready(tx: &mut Tx, privacy: &Privacy, export: &DataExport, packed: &Packed) -> Result<bool, DbError> {
    let now = tx.now();
    let made = execute!(
        tx,
        sqlx::query(
            "UPDATE data_exports SET state = 'ready', size = $2, sha256 = $3, ready_at = $4, expires_at = $5
             WHERE id = $1 AND state = 'pending'"
        )
        .bind(export.id)
        .bind(i64::try_from(packed.size).unwrap_or(i64::MAX))
        .bind(&packed.sha256)
        .bind(now)
        .bind(now + privacy.policy.export_ttl)
    )?;
    if made == 1 {
        let entry = Entry::new(Actor::system("privacy"), "account.exported", "user", export.user_id.to_string());
        tx.audit(entry.change(None, serde_json::json!({ "export": export.id, "size": packed.size })));
        tx.emit(&DataExported { export: export.id, user: export.user_id })?;
        tx.enqueue(&Notice::DataExportReady { export: export.id.uuid() }).await?;
    }
    Ok(made == 1)
}

async fn failed(tx: &mut Tx, id: DataExportId) -> Result<(), DbError> {
    execute!(tx, sqlx::query("UPDATE data_exports SET state = 'failed' WHERE id = $1 AND state = 'pending'").bind(id))?;
    Ok(())
}

/// Packs and stores at once, so that the one never gets far ahead of the other.
async fn write(privacy: &Privacy, export: &DataExport) -> Result<Packed, BuildError> {
    let Some(subject) = Subject::of(privacy, export.user_id).await? else {
        return Err(BuildError::Pack("nobody has this account".to_owned()));
    };
    let (mut sink, stream) = Sink::new(privacy.db.now());
    let key = export::key(export.id);
    let packing = async {
        match pack(privacy, &subject, &mut sink).await {
            Ok(()) => sink.finish().await,
            Err(error) => {
                sink.abandon(&error).await;
                Err(error)
            }
        }
    };
    let (packed, stored) = tokio::join!(packing, privacy.files.write(&key, stream));
    match (packed, stored) {
        (Ok(packed), Ok(size)) if packed.size == size => Ok(packed),
        (Ok(_), Ok(_)) => Err(StorageError::Unavailable("it kept another length".to_owned()).into()),
        // What the storage says is the reason why nobody listened.
        (Err(BuildError::Unheard) | Ok(_), Err(error)) => Err(error.into()),
        (Err(error), _) => Err(error),
    }
}

async fn pack(privacy: &Privacy, subject: &Subject, sink: &mut Sink) -> Result<(), BuildError> {
    sink.file("README.txt", readme::text(&subject.email, subject.now).as_bytes()).await?;
    for table in tables() {
        let Some(file) = table.file else { continue };
        if table.name == "audit_entries" {
            trail(privacy, subject, sink, file).await?;
        } else {
            table_file(&privacy.db, (table, file), subject, sink).await?;
        }
    }
    papers(&privacy.db, subject, sink).await?;
    attachments(privacy, subject, sink).await
}

/// A list of JSON, written as it is read.
#[derive(Default)]
struct List {
    begun: bool,
}

impl List {
    async fn add(&mut self, sink: &mut Sink, value: &impl serde::Serialize) -> Result<(), BuildError> {
        let text = serde_json::to_string_pretty(value).map_err(|error| BuildError::Pack(error.to_string()))?;
        sink.data(if self.begun { b",\n" } else { b"[\n" }).await?;
        self.begun = true;
        sink.data(text.as_bytes()).await
    }

    async fn end(self, sink: &mut Sink) -> Result<(), BuildError> {
        sink.data(if self.begun { b"\n]\n" } else { b"[]\n" }).await
    }
}

async fn table_file(
    db: &Db,
    (table, file): (&'static Table, File),
    subject: &Subject,
    sink: &mut Sink,
) -> Result<(), BuildError> {
    sink.begin(&format!("{}.json", file.name)).await?;
    let mut list = List::default();
    if let Some(mut rows) = Rows::of(db, table, subject) {
        loop {
            let page = rows.next(db).await?;
            if page.is_empty() {
                break;
            }
            for row in &page {
                list.add(sink, row).await?;
            }
        }
    }
    list.end(sink).await
}

/// What the person did, with what is sealed opened: it is theirs.
async fn trail(privacy: &Privacy, subject: &Subject, sink: &mut Sink, file: File) -> Result<(), BuildError> {
    sink.begin(&format!("{}.json", file.name)).await?;
    let mut list = List::default();
    // Whoever was an operator once is named so in what they did then.
    for actor in [Actor::user(subject.id.clone()), Actor::operator(subject.id.clone())] {
        let filter = Filter { actor: Some(actor), ..Filter::default() };
        let mut page = audit::PageRequest { limit: 200, after: None };
        loop {
            let found = audit::list(&privacy.db, &privacy.keys, Disclosure::Opened, &filter, page).await?;
            for record in &found.data {
                list.add(sink, record).await?;
            }
            let Some(after) = found.next_cursor else { break };
            page.after = Some(after);
        }
    }
    list.end(sink).await
}

/// How many papers and files are looked up at a time.
const FEW: i64 = 20;

/// The person's invoices as PDF.
async fn papers(db: &Db, subject: &Subject, sink: &mut Sink) -> Result<(), BuildError> {
    let text = spelled(
        "SELECT id, code, document FROM invoices WHERE (order_id IN ({orders}) OR tenant_id IN ({tenants}))
             AND ($8 IS NULL OR id > $8) ORDER BY id LIMIT $9",
        db.dialect(),
    );
    let mut after: Option<Uuid> = None;
    loop {
        let page: Vec<(Uuid, String, String)> = fetch_all!(
            db,
            bind_subject!(sqlx::query_as(sqlx::AssertSqlSafe(text.as_str())), subject).bind(after).bind(FEW)
        )?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = Some(*last);
        for (_, code, document) in page {
            let unreadable = |error: &dyn std::fmt::Display| BuildError::Pack(format!("{code}: {error}"));
            let document: Document = serde_json::from_str(&document).map_err(|error| unreadable(&error))?;
            let pdf = tokio::task::spawn_blocking(move || invoices::pdf(&document)).await;
            let pdf = pdf.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))?;
            sink.file(&format!("invoices/{code}.pdf"), &pdf).await?;
        }
    }
}

/// The files on the person's tickets.
async fn attachments(privacy: &Privacy, subject: &Subject, sink: &mut Sink) -> Result<(), BuildError> {
    let Some(table) = tables().find(|table| table.name == "ticket_attachments") else { return Ok(()) };
    let (whose, shown) = (table.whose.unwrap_or("FALSE"), table.shown_if.unwrap_or("TRUE"));
    let db = &privacy.db;
    let text = spelled(
        &format!(
            "SELECT id, name, media_type, size FROM ticket_attachments WHERE ({whose}) AND {shown} AND stored
                 AND ($8 IS NULL OR id > $8) ORDER BY id LIMIT $9"
        ),
        db.dialect(),
    );
    let mut after: Option<Uuid> = None;
    loop {
        let page: Vec<Attachment> = fetch_all!(
            db,
            bind_subject!(sqlx::query_as(sqlx::AssertSqlSafe(text.as_str())), subject).bind(after).bind(FEW)
        )?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.uuid());
        for file in page {
            let mut content = match support::read_attachment(&privacy.files, &file).await {
                // It was never whole.
                Err(StorageError::NotFound) => continue,
                content => content?,
            };
            sink.begin(&format!("attachments/{}-{}", file.id, plain(&file.name))).await?;
            while let Some(piece) = content.try_next().await? {
                sink.data(&piece).await?;
            }
        }
    }
}

/// A name that leads nowhere.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || "/\\:".contains(c) { '_' } else { c }).collect()
}
