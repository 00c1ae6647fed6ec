//! The routes of orders and subscriptions, as they are described.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Extension;

use super::{admin, create, money, show, subscriptions, subscriptions_admin};
use crate::{
    accounts::Scope::{OrdersRead, OrdersWrite},
    app::App,
    flags::Switch,
    http::{Kind, openapi::Tell, under_switch},
};

/// The routes. Those that begin payments are behind the kill switch; looking and calling off are not.
pub fn routes(app: &App) -> ApiRouter<App> {
    let flags = app.flags.clone();
    under_switch(begins(), Switch::Payments.as_str(), move || !flags.is_on(Switch::Payments))
        .merge(buyers())
        .merge(operators())
        .merge(all_subscriptions())
        .merge(all_money())
        .with_path_items(|item| item.tag("orders"))
}

/// What begins payments.
fn begins() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/orders",
            post_with(create::create, |op| {
                op.told("createOrder", "Order what is in a cart")
                    .description(
                        "The order is paid at its `pay_url`. Guests name an `email`, and get the `guest_token` that \
                         shows the order, this once. `Location` says where it is.",
                    )
                    .scope(OrdersWrite)
                    .may(&[Kind::Conflict, Kind::QuotaExceeded])
            })
            .layer(Extension(create::GuestLimit::new())),
        )
        .api_route(
            "/api/quotes",
            post_with(create::quote, |op| {
                op.told("quoteCart", "Ask what a cart would cost")
                    .description("Nothing is kept. It takes what an order takes.")
            }),
        )
}

/// What buyers see and do.
fn buyers() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/orders",
            get_with(show::list, |op| op.told("listOrders", "List your orders").scope(OrdersRead)),
        )
        .api_route(
            "/api/orders/{order}",
            get_with(show::show, |op| {
                op.told("showOrder", "Show an order with everything about it")
                    .description(
                        "Guests name the `token` that they got with the order. Licence keys are shown to those who \
                         may see licences; guests get them by mail.",
                    )
                    .scope(OrdersRead)
            }),
        )
        .api_route(
            "/api/orders/{order}/cancel",
            post_with(show::cancel, |op| {
                op.told("cancelOrder", "Call an order off that is not paid").scope(OrdersWrite).may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/subscriptions",
            get_with(subscriptions::list, |op| {
                op.told("listSubscriptions", "List your subscriptions").scope(OrdersRead)
            }),
        )
        .api_route(
            "/api/subscriptions/{subscription}",
            get_with(subscriptions::show, |op| op.told("showSubscription", "Show a subscription").scope(OrdersRead)),
        )
        .api_route(
            "/api/subscriptions/{subscription}/cancel",
            post_with(subscriptions::cancel, |op| {
                op.told("cancelSubscription", "End a subscription, now or with its period")
                    .scope(OrdersWrite)
                    .may(&[Kind::Conflict])
            }),
        )
}

/// What operators see and do.
fn operators() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/orders",
            get_with(admin::list, |op| op.told("listAllOrders", "List all orders, or find some")),
        )
        .api_route(
            "/api/admin/orders/export",
            get_with(admin::export, |op| op.told("exportOrders", "Fetch orders as a file")),
        )
        .api_route(
            "/api/admin/orders/{order}",
            get_with(admin::show, |op| op.told("showAnyOrder", "Show any order, with what was booked for it")),
        )
        .api_route(
            "/api/admin/orders/{order}/cancel",
            post_with(admin::cancel, |op| {
                op.told("cancelAnyOrder", "Call any order off that is not paid").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/orders/{order}/refunds",
            post_with(admin::refund, |op| {
                op.told("refundOrder", "Give money of an order back")
                    .description("It is made in a moment; the order tells what became of it.")
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/orders/{order}/reconcile",
            post_with(admin::reconcile, |op| {
                op.told("reconcileOrder", "Have the provider asked what became of an order's payments")
            }),
        )
        .api_route(
            "/api/admin/orders/{order}/fulfil",
            post_with(admin::fulfil, |op| {
                op.told("fulfilOrder", "Have what was paid for given once more, where that failed")
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/orders/{order}/attended",
            post_with(admin::attended, |op| op.told("markOrderAttended", "Say that a person has looked at an order")),
        )
}

/// Everybody's subscriptions.
fn all_subscriptions() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/subscriptions",
            get_with(subscriptions_admin::list, |op| op.told("listAllSubscriptions", "List all subscriptions")),
        )
        .api_route(
            "/api/admin/subscriptions/export",
            get_with(subscriptions_admin::export, |op| op.told("exportSubscriptions", "Fetch subscriptions as a file")),
        )
        .api_route(
            "/api/admin/subscriptions/{subscription}",
            get_with(subscriptions_admin::show, |op| op.told("showAnySubscription", "Show any subscription")),
        )
        .api_route(
            "/api/admin/subscriptions/{subscription}/cancel",
            post_with(subscriptions_admin::cancel, |op| {
                op.told("cancelAnySubscription", "End any subscription, now or with its period").may(&[Kind::Conflict])
            }),
        )
}

/// Money of all orders.
fn all_money() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/payments",
            get_with(money::payments, |op| op.told("listPayments", "List payments of all orders")),
        )
        .api_route(
            "/api/admin/payments/export",
            get_with(money::export_payments, |op| op.told("exportPayments", "Fetch payments as a file")),
        )
        .api_route(
            "/api/admin/payments/{payment}",
            get_with(money::payment, |op| op.told("showPayment", "Show a payment")),
        )
        .api_route(
            "/api/admin/refunds",
            get_with(money::refunds, |op| op.told("listRefunds", "List refunds of all orders")),
        )
        .api_route(
            "/api/admin/refunds/export",
            get_with(money::export_refunds, |op| op.told("exportRefunds", "Fetch refunds as a file")),
        )
        .api_route("/api/admin/refunds/{refund}", get_with(money::refund, |op| op.told("showRefund", "Show a refund")))
        .api_route(
            "/api/admin/disputes",
            get_with(money::disputes, |op| op.told("listDisputes", "List disputes of all orders")),
        )
        .api_route(
            "/api/admin/disputes/export",
            get_with(money::export_disputes, |op| op.told("exportDisputes", "Fetch disputes as a file")),
        )
        .api_route(
            "/api/admin/disputes/{dispute}",
            get_with(money::dispute, |op| op.told("showDispute", "Show a dispute")),
        )
}
