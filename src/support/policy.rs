//! What the operator decided about support.

use std::{sync::Arc, time::Duration};

use super::Targets;
use crate::{kernel::Secret, storage::Stores};

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How soon tickets are to be answered and solved.
    pub targets: Targets,
    /// How long a solved ticket can be reopened.
    pub close_after: Duration,
    /// How many tickets one account may open in an hour.
    pub tickets_per_hour: u32,
    /// The most bytes of an attachment.
    pub attachment_size: usize,
    /// The most attachments of a message.
    pub attachments_per_message: usize,
    /// Where answers by mail go: `support@host`, a ticket's token put behind the name with a plus.
    pub mail_address: String,
    /// Whom people are told to write to while tickets are switched off.
    pub contact: String,
    /// What signs mails that are delivered over HTTP; none for no such deliveries.
    pub inbound_secret: Arc<[Secret<String>]>,
    /// The most bytes of a mail.
    pub inbound_size: usize,
}

/// The support desk of an installation.
#[derive(Debug, Clone)]
pub struct Desk {
    /// What the operator decided.
    pub policy: Policy,
    /// Where files and mails are kept.
    pub files: Stores,
}
