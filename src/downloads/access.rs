//! Who may download: asked when a link is made, and again whenever it is used.
//!
//! What entitles is a licence of the buyer's tenant that is active now: every paid item gives one, and a refund, a lost
//! dispute, the end of a subscription or an operator takes it. Whether the product is still on sale does not matter. A
//! product is free if none of its plans costs anything; then everybody may have it who is signed in, and where
//! `requires_auth` is off everybody else too.

use sqlx::FromRow;

use crate::kernel::{LicenseId, TenantId, UserId};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The person.
    pub user: UserId,
    /// What they own belongs to it.
    pub tenant: TenantId,
}

/// How somebody stands to a product.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Standing {
    pub(super) published: bool,
    pub(super) requires_auth: bool,
    pub(super) is_free: bool,
    pub(super) license_id: Option<LicenseId>,
}

/// Why somebody may not download a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// To them it does not exist.
    NotFound,
    /// They have not said who they are.
    SignIn,
    /// They have not bought it, or not any more.
    NotEntitled,
}

impl Standing {
    pub(super) const fn decide(&self, is_known: bool) -> Result<(), Denied> {
        match self {
            Self { license_id: Some(_), .. } => Ok(()),
            Self { published: false, .. } => Err(Denied::NotFound),
            Self { is_free: true, requires_auth, .. } if is_known || !*requires_auth => Ok(()),
            _ if !is_known => Err(Denied::SignIn),
            _ => Err(Denied::NotEntitled),
        }
    }
}

/// The columns of [`Standing`] for the product `p`, the tenant and the time.
macro_rules! standing {
    ($tenant:literal, $now:literal) => {
        concat!(
            "p.status = 'published' AS published, p.requires_auth,
             EXISTS (SELECT 1 FROM plans f JOIN plan_prices fp ON fp.plan_id = f.id
                     WHERE f.product_id = p.id AND f.active AND f.billing_cycle <> 'trial')
             AND NOT EXISTS (SELECT 1 FROM plans f JOIN plan_prices fp ON fp.plan_id = f.id
                             WHERE f.product_id = p.id AND f.active AND fp.amount > 0) AS is_free,
             (SELECT l.id FROM licenses l
              WHERE l.tenant_id = ",
            $tenant,
            " AND l.product_id = p.id AND l.status = 'active' AND (l.expires_at IS NULL OR l.expires_at > ",
            $now,
            ")
              ORDER BY l.id LIMIT 1) AS license_id"
        )
    };
}
pub(super) use standing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_is_decided_as_the_table_says() {
        let license = Some(LicenseId::from_uuid(uuid::Uuid::from_u128(1)));
        let (yes, no) = (true, false);
        // published, requires_auth, free, licence; known?
        for (published, requires_auth, is_free, license_id, is_known, decided) in [
            (yes, yes, no, license, yes, Ok(())),
            (no, yes, no, license, yes, Ok(())),
            (no, yes, yes, None, yes, Err(Denied::NotFound)),
            (no, no, yes, None, no, Err(Denied::NotFound)),
            (yes, no, yes, None, no, Ok(())),
            (yes, yes, yes, None, no, Err(Denied::SignIn)),
            (yes, yes, yes, None, yes, Ok(())),
            (yes, no, no, None, no, Err(Denied::SignIn)),
            (yes, no, no, None, yes, Err(Denied::NotEntitled)),
        ] {
            let standing = Standing { published, requires_auth, is_free, license_id };
            assert_eq!(standing.decide(is_known), decided, "{standing:?} {is_known}");
        }
    }
}
