//! Support: questions about what was bought, answered by whoever sells it or runs the shop.
//!
//! The promise: a ticket is seen by its customer, by the developer of its product and by operators, and by nobody else;
//! a note among those who answer reaches no customer, in no list, letter, file or event; whatever a mail says of its
//! sender, it is heard only at the address that was made for that person; and a target that was missed is told once.

mod address;
mod article;
mod article_search;
mod attachment;
mod canned;
mod change;
mod clock;
mod content;
mod edit;
mod event;
mod flaw;
mod guest;
mod inbound;
mod list;
mod mail;
mod message;
mod open;
mod policy;
mod receive;
mod reply;
mod sweep;
mod ticket;

pub use address::{MailToken, guest_mail_token, mail_token, reply_address};
pub use article::{
    Article, ArticleFields, ArticleId, ArticleMarker, ArticlePatch, ArticleStatus, article, articles, create_article,
    delete_article, patch_article, published_article, vote,
};
pub use article_search::{ArticleCard, ArticleCursor, ArticleFilter, browse_articles};
pub use attachment::{
    Attachment, AttachmentId, AttachmentMarker, FileReader, UploadError, find_attachment, read_attachment, upload,
};
pub use canned::{
    CannedAnswer, CannedAnswerId, CannedAnswerMarker, CannedFields, CannedPatch, PLACES, Signature, canned_answer,
    canned_answers, create_canned, delete_canned, fill, patch_canned,
};
pub use change::{Assign, TicketChange, change_ticket, solve_as_customer};
pub use clock::{ClockName, Priority, Progress, Status, Targets};
pub use content::{Unwelcome, safe_type};
pub use edit::EditError;
pub use event::{TicketOpened, TicketReplied, TicketStatusChanged};
pub use flaw::{LONGEST_BODY, LONGEST_SUBJECT, TicketError};
pub use guest::{NewGuestTicket, attach_tickets, find_guest_ticket, guest_ticket_token, open_guest_ticket};
pub use inbound::{
    DeliverError, Delivered, InboundMail, InboundMailId, InboundMailMarker, MailOutcome, ReceiveMail, deliver,
    inbound_mails,
};
pub use list::{Care, ListError, TicketCursor, TicketFilter, TicketSort, list_at_desk, list_tickets};
pub use message::{AuthorKind, Message, Reader, Via, find_any_message, first_message, last_mail, messages};
pub use open::{Asker, NewTicket, Opening, open_ticket};
pub use policy::{Desk, Policy};
pub use receive::{ReceiveError, receive_mail};
pub use reply::{AgentReply, Came, Replied, Reply, reply_as_agent, reply_as_customer};
pub use sweep::{
    TidyError, TidySupport, WatchTickets, close_solved, remove_attachment, remove_mail, tidy, watch_clocks,
};
pub use ticket::{Agent, Category, Ticket, find_any_ticket, find_at_desk, find_ticket, seller};

/// Where work waits: the kill switch `support` pauses it.
pub const QUEUE: &str = "support";
