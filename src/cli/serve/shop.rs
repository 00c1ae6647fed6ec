//! The shop as it is configured.

use super::invoicing;
use crate::{
    app::Shop,
    config::{Config, LatePayment, PartialRefund},
    orders::Policy,
};

pub(super) fn shop(config: &Config) -> Shop {
    let shop = &config.shop;
    Shop {
        name: shop.name.clone(),
        public_url: config.http.public_url.as_str().trim_end_matches('/').to_owned(),
        currency: shop.currency,
        policy: Policy {
            commission_bps: shop.commission_bps,
            tax: invoicing::tax_rules(config),
            payout_hold: shop.payout_hold,
            order_expiry: shop.order_expiry,
            partial_refund_revokes: shop.partial_refund == PartialRefund::Revoke,
            late_payment_refunds: shop.late_payment == LatePayment::Refund,
            reconcile_interval: config.payments.reconcile_interval,
        },
        operators: shop.operators.clone(),
        profile: config.profile,
    }
}
