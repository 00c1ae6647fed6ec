//! What is outside the database: files in the storage, and mails where mails are files. A row goes after its file, so that
//! nothing is forgotten on the disk.

use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::DeletionError;
use crate::{
    db::{Db, DbError, Dialect},
    execute, fetch_all,
    kernel::{TicketId, seal},
    notifications::MailId,
    privacy::{
        DataExportId, Privacy,
        catalogue::{spelled, tables},
        export,
        subject::{Subject, bind_subject},
    },
    support,
};

/// How many are looked up at a time.
const FEW: i64 = 100;

/// Removes attachments, mails that came in, and archives.
pub(super) async fn remove(privacy: &Privacy, subject: &Subject) -> Result<(), DeletionError> {
    let Privacy { db, files, .. } = privacy;
    for id in owned(db, subject, "ticket_attachments").await? {
        support::remove_attachment(db, files, support::AttachmentId::from_uuid(id)).await?;
    }
    for id in owned(db, subject, "inbound_mails").await? {
        support::remove_mail(db, files, support::InboundMailId::from_uuid(id)).await?;
    }
    for id in subject.ids(db, "SELECT id FROM data_exports WHERE user_id = $1").await? {
        let id = DataExportId::from_uuid(id);
        // Closed first: an archive that is being written finds that nobody wants it.
        db.write(async |tx| {
            execute!(
                tx,
                sqlx::query(
                    "UPDATE data_exports SET state = 'expired' WHERE id = $1 AND state IN ('pending', 'ready')"
                )
                .bind(id)
            )
        })
        .await?;
        files.remove(&export::key(id)).await?;
    }
    Ok(())
}

/// The rows that the catalogue says are the person's.
async fn owned(db: &Db, subject: &Subject, name: &str) -> Result<Vec<Uuid>, DbError> {
    let Some(table) = tables().find(|table| table.name == name) else { return Ok(Vec::new()) };
    subject.ids(db, &format!("SELECT id FROM {name} WHERE {}", table.whose.unwrap_or("FALSE"))).await
}

/// Removes the mails to the person, and those to others that quote what the person wrote on tickets.
pub(super) async fn remove_mails(privacy: &Privacy, subject: &Subject) -> Result<(), DeletionError> {
    let Privacy { db, mailer, .. } = privacy;
    let tickets = subject.ids(db, "SELECT id FROM tickets WHERE id IN ({tickets})").await?;
    let tickets: Vec<String> = tickets.into_iter().map(|id| TicketId::from_uuid(id).to_string()).collect();
    let mentions = match db.dialect() {
        Dialect::Sqlite => "EXISTS (SELECT 1 FROM json_each($8) n WHERE instr(notice, n.value) > 0)",
        Dialect::Postgres => {
            "EXISTS (SELECT 1 FROM jsonb_array_elements_text($8::jsonb) n(value) WHERE strpos(notice, n.value) > 0)"
        }
    };
    let text = format!(
        "SELECT id, edition FROM mails WHERE (user_id = $1 OR recipient IN ({{recipients}}) OR {mentions})
             AND id > $9 ORDER BY id LIMIT $10"
    );
    let (text, tickets, mut after) = (spelled(&text, db.dialect()), json!(tickets).to_string(), Uuid::nil());
    loop {
        let page: Vec<(MailId, i64)> = fetch_all!(
            db,
            bind_subject!(sqlx::query_as(AssertSqlSafe(text.as_str())), subject).bind(&tickets).bind(after).bind(FEW)
        )?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = last.uuid();
        for (id, edition) in &page {
            mailer.forget(*id, *edition).await.map_err(DeletionError::Mail)?;
        }
        delete_mails(db, &page).await?;
    }
}

async fn delete_mails(db: &Db, page: &[(MailId, i64)]) -> Result<(), DbError> {
    let ids: Vec<String> = page.iter().map(|(id, _)| seal::to_hex(id.uuid().as_bytes())).collect();
    let statement = db.dialect().pick(
        "DELETE FROM mails WHERE id IN (SELECT unhex(value) FROM json_each($1))",
        "DELETE FROM mails WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))",
    );
    let ids = json!(ids).to_string();
    db.write(async |tx| execute!(tx, sqlx::query(statement).bind(&ids))).await?;
    Ok(())
}
