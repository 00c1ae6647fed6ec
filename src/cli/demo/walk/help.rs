//! A question and its answer.

use serde_json::{Value, json};

use super::{Walk, list, missing, text};
use crate::cli::{Failure, demo::stock};

/// The buyer asks about a licence, the operator answers with the canned answer, a mail tells the buyer.
pub(super) async fn ask(walk: &mut Walk<'_>, order: &Value) -> Result<(), Failure> {
    walk.teller.step("Ask for help");
    let license = &order["licenses"][0]["id"];
    let question = json!({ "subject": "A new machine", "body": "How do I move my licence to it?", "category": "license",
                           "license": license });
    let ticket = walk.buyer.post("/api/tickets", &question).await?;
    let id = text(&ticket["id"])?.to_owned();
    walk.teller.timed("POST /api/tickets", format!("{id}  {}", text(&ticket["status"])?));
    let desk = format!("/api/admin/tickets/{id}");
    let answer = stock::answer(&mut walk.operator).await?.ok_or_else(|| missing("a canned answer"))?;
    let filled = walk.operator.get(&format!("{desk}/canned-answers/{answer}")).await?;
    walk.teller.timed("the operator picks", format!("the canned answer \"{}\", filled for her", stock::ANSWER.0));
    let replied = walk.operator.post(&format!("{desk}/messages"), &json!({ "body": text(&filled["body"])? })).await?;
    walk.teller.timed("POST …/{ticket}/messages", format!("answered; now {}", text(&replied["status"])?));
    let mail = walk.mailbox.wait_for(&walk.email, "end the old activation").await?;
    walk.teller.timed("a mail came", mail.path.display());
    let messages = walk.buyer.get(&format!("/api/tickets/{id}/messages")).await?;
    if list(&messages["data"]).len() != 2 {
        return Err(missing(&format!("a question and an answer: {messages}")));
    }
    let solved = walk.buyer.post(&format!("/api/tickets/{id}/solve"), &json!({})).await?;
    walk.teller.timed("POST …/{ticket}/solve", text(&solved["status"])?);
    Ok(())
}
