//! What notices about tickets come to: gathered when the letter is written, so that a letter that was late tells what is
//! true now. A note among those who answer never becomes one.

use super::notifications::{Letters, Notifications};
use crate::{
    accounts::{self, Account, Role},
    db::Db,
    jobs::Failure,
    kernel::{TicketId, TicketMessageId, Time, UserId},
    notifications::{
        Owed, Thread, TicketAnsweredLetter, TicketHead, TicketLateLetter, TicketNewsLetter, TicketOpenedLetter,
        TicketSolvedLetter, Write,
    },
    support::{self, AuthorKind, Message, Ticket},
};

/// What a letter to those who answer names.
fn head(ticket: &Ticket) -> TicketHead {
    TicketHead { id: ticket.id, subject: ticket.subject.clone(), guest_token: None }
}

impl Notifications {
    /// A letter to whoever asks; a guest's links carry what opens the ticket.
    fn to_customer(&self, ticket: &Ticket, answers: Option<String>, letter: impl Write + 'static) -> Owed {
        let to = (ticket.requester_email.as_str(), ticket.requester_id);
        let owed = self.of_ticket(ticket.id, to, answers.clone(), letter);
        if ticket.requester_id.is_some() {
            return owed;
        }
        let token = support::guest_mail_token(&self.keys, ticket.id);
        let reply_to = support::reply_address(&self.support.policy.mail_address, &token);
        owed.in_thread(Thread { topic: ticket.id.to_string(), answers, reply_to })
    }

    /// What a letter to whoever asks names.
    fn head_for_customer(&self, ticket: &Ticket) -> TicketHead {
        let guest = ticket.requester_id.is_none();
        let guest_token = guest.then(|| support::guest_ticket_token(&self.keys, ticket.id));
        TicketHead { guest_token, ..head(ticket) }
    }

    /// A letter of a ticket's conversation. Who has an account can answer it, at an address made for them.
    fn of_ticket(
        &self,
        ticket: TicketId,
        (to, user): (&str, Option<UserId>),
        answers: Option<String>,
        letter: impl Write + 'static,
    ) -> Owed {
        let base = &self.support.policy.mail_address;
        let address = |user| support::reply_address(base, &support::mail_token(&self.keys, ticket, user));
        let thread = Thread { topic: ticket.to_string(), answers, reply_to: user.and_then(address) };
        Owed::new(to, user, letter).in_thread(thread)
    }
}

/// A ticket was opened: its customer learns that it arrived, and those who answer what it says.
pub(super) async fn opened(state: &Notifications, db: &Db, id: TicketId) -> Letters {
    let Some(ticket) = support::find_any_ticket(db, id).await? else { return Ok(Vec::new()) };
    let Some(message) = support::first_message(db, id).await? else { return Ok(Vec::new()) };
    let customer = TicketOpenedLetter {
        name: ticket.requester_name.clone(),
        ticket: state.head_for_customer(&ticket),
        due: ticket.progress.first_response_due_at,
    };
    let mut letters = vec![state.to_customer(&ticket, support::last_mail(db, id).await?, customer)];
    letters.extend(news(state, db, &ticket, &message).await?);
    Ok(letters)
}

/// The customer wrote again.
pub(super) async fn replied(state: &Notifications, db: &Db, id: TicketId, message: TicketMessageId) -> Letters {
    let Some((ticket, message)) = found(db, id, message).await? else { return Ok(Vec::new()) };
    news(state, db, &ticket, &message).await
}

/// Somebody answered.
pub(super) async fn answered(state: &Notifications, db: &Db, id: TicketId, message: TicketMessageId) -> Letters {
    let Some((ticket, message)) = found(db, id, message).await? else { return Ok(Vec::new()) };
    if message.author_kind == AuthorKind::Customer {
        return Ok(Vec::new());
    }
    let letter = TicketAnsweredLetter {
        name: ticket.requester_name.clone(),
        ticket: state.head_for_customer(&ticket),
        author: message.author_name.unwrap_or_default(),
        body: message.body,
        solved: ticket.progress.status.is_over(),
    };
    Ok(vec![state.to_customer(&ticket, support::last_mail(db, id).await?, letter)])
}

/// A ticket was solved; nothing is said once it was opened again.
pub(super) async fn solved(state: &Notifications, db: &Db, id: TicketId) -> Letters {
    let found = support::find_any_ticket(db, id).await?;
    let Some(ticket) = found.filter(|ticket| ticket.progress.status.is_over()) else { return Ok(Vec::new()) };
    let letter = TicketSolvedLetter { name: ticket.requester_name.clone(), ticket: state.head_for_customer(&ticket) };
    // It may be opened and solved again.
    let solved = state.to_customer(&ticket, support::last_mail(db, id).await?, letter);
    Ok(vec![solved.on(ticket.progress.solved_at.map_or(0, Time::as_secs))])
}

/// A target was missed: to the operators, whatever happened since.
pub(super) async fn late(state: &Notifications, db: &Db, id: TicketId, resolution: bool) -> Letters {
    let Some(ticket) = support::find_any_ticket(db, id).await? else { return Ok(Vec::new()) };
    let due = if resolution { ticket.progress.resolution_due_at } else { ticket.progress.first_response_due_at };
    let priority = ticket.progress.priority.to_string();
    let owed = |operator: &String| {
        let letter = TicketLateLetter { ticket: head(&ticket), resolution, due, priority: priority.clone() };
        let occasion = format_args!("{resolution}:{}", due.as_secs());
        state.of_ticket(id, (operator, None), None, letter).on(occasion).one_of_several()
    };
    Ok(state.shop.operators.iter().map(owed).collect())
}

/// A ticket and a message on it that is not a note.
async fn found(db: &Db, ticket: TicketId, message: TicketMessageId) -> Result<Option<(Ticket, Message)>, Failure> {
    let message = support::find_any_message(db, message).await?;
    let Some(message) = message.filter(|it| it.ticket_id == ticket && !it.internal) else { return Ok(None) };
    Ok(support::find_any_ticket(db, ticket).await?.map(|ticket| (ticket, message)))
}

/// To those who answer: whoever cares for the ticket, or else the developer of its product and the operators.
async fn news(state: &Notifications, db: &Db, ticket: &Ticket, message: &Message) -> Letters {
    let mut letters = Vec::new();
    let mut told = Vec::new();
    for account in carers(db, ticket).await? {
        let letter = news_letter(ticket, message, account.role == Role::Admin);
        let to = (account.email.as_str(), Some(account.id));
        letters.push(of_news(state, ticket, to, message, letter));
        told.push(account.email.to_string());
    }
    if ticket.assignee_id.is_none() {
        for operator in state.shop.operators.iter().filter(|operator| !told.contains(&operator.to_lowercase())) {
            let account = match operator.parse() {
                Ok(email) => accounts::find_any_account_by_email(db, &email).await?,
                Err(_) => None,
            };
            let user = account.filter(|it| it.role == Role::Admin && it.disabled_at.is_none()).map(|it| it.id);
            let letter = news_letter(ticket, message, true);
            letters.push(of_news(state, ticket, (operator, user), message, letter));
        }
    }
    Ok(letters)
}

/// A letter to one of those who answer: about this message, whatever others there are.
fn of_news(
    state: &Notifications,
    ticket: &Ticket,
    to: (&str, Option<UserId>),
    message: &Message,
    letter: TicketNewsLetter,
) -> Owed {
    let answers = message.mail_message_id.clone();
    state.of_ticket(ticket.id, to, answers, letter).on(message.id).one_of_several()
}

fn news_letter(ticket: &Ticket, message: &Message, operator: bool) -> TicketNewsLetter {
    TicketNewsLetter {
        ticket: head(ticket),
        author: message.author_name.clone(),
        body: message.body.clone(),
        product: ticket.product_title.clone(),
        operator,
    }
}

/// The accounts of those who care for a ticket; not the customer's own, who may be one of them.
async fn carers(db: &Db, ticket: &Ticket) -> Result<Vec<Account>, Failure> {
    let user = match (ticket.assignee_id, ticket.developer_id) {
        (Some(assignee), _) => Some(assignee),
        (None, Some(developer)) => support::seller(db, developer).await?,
        (None, None) => None,
    };
    let Some(user) = user.filter(|user| Some(*user) != ticket.requester_id) else { return Ok(Vec::new()) };
    let account = accounts::find_any_account(db, user).await?;
    Ok(account.filter(|account| account.disabled_at.is_none()).into_iter().collect())
}
