//! Disputes, as the buyer's bank begins and ends them.

use super::{
    Delivering, Sandbox, SandboxError, events,
    sessions::{first_charge, name, session_in},
};
use crate::{execute, text_enum};

text_enum! {
    /// What the bank does.
    pub enum DisputeMove {
        /// It takes the money back for now.
        Open = "open",
        /// It decides for the shop.
        Win = "win",
        /// It decides for the buyer.
        Lose = "lose",
    }
}

impl Sandbox {
    /// Opens, wins or loses the dispute of a session's first charge; gives the dispute's name.
    pub async fn dispute(
        &self,
        session: &str,
        step: DisputeMove,
        delivering: Delivering,
    ) -> Result<String, SandboxError> {
        let delivering = delivering.check()?;
        self.db
            .write(async |tx| {
                let session = session_in(tx, session).await?;
                let charge = first_charge(tx, &session.id).await?;
                let (from, to, status) = match step {
                    DisputeMove::Open => (None, "open", "needs_response"),
                    DisputeMove::Win => (Some("open"), "won", "won"),
                    DisputeMove::Lose => (Some("open"), "lost", "lost"),
                };
                let dispute = charge.dispute.clone().unwrap_or_else(|| name(tx, "dp"));
                let moved = execute!(
                    tx,
                    sqlx::query(
                        "UPDATE sandbox_charges SET dispute = $2, dispute_state = $3
                         WHERE id = $1 AND COALESCE(dispute_state, '') = $4"
                    )
                    .bind(&charge.id)
                    .bind(&dispute)
                    .bind(to)
                    .bind(from.unwrap_or_default())
                )?;
                if moved == 0 {
                    return Err(SandboxError::State("the dispute is not in the state before this"));
                }
                let told = events::dispute(tx, &charge, &dispute, status)?;
                self.send(tx, vec![told], delivering).await?;
                Ok(dispute)
            })
            .await
    }
}
