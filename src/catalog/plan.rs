//! Plans: how a product is sold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text_enum;

text_enum! {
    /// How often a plan is paid.
    pub enum BillingCycle {
        /// Once, for good.
        OneTime = "one_time",
        /// Every month.
        Monthly = "monthly",
        /// Every year.
        Yearly = "yearly",
        /// Nothing, for some days.
        Trial = "trial",
    }
}

impl BillingCycle {
    /// Whether a provider charges it again and again.
    #[must_use]
    pub const fn recurs(self) -> bool {
        matches!(self, Self::Monthly | Self::Yearly)
    }
}

text_enum! {
    /// What a licence allows its holder.
    pub enum LicenseType {
        /// One end product.
        Regular = "regular",
        /// End products that are sold.
        Extended = "extended",
        /// Any number of end products, by one developer.
        Developer = "developer",
    }
}

/// What a plan's licence is limited to; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlanLimits")]
pub struct Limits {
    /// Machines or sites it is active on at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activations: Option<i64>,
    /// Uses in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<i64>,
    /// Different domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains: Option<i64>,
    /// Different IP addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ips: Option<i64>,
    /// Calls of the API a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_calls: Option<i64>,
}
