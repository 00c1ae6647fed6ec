//! The routes of orders and subscriptions, as they are described.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::Extension;

use super::{admin, create, show, subscriptions};
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
            "/api/admin/orders/{order}/attended",
            post_with(admin::attended, |op| op.told("markOrderAttended", "Say that a person has looked at an order")),
        )
        .api_route(
            "/api/admin/ledger/balances",
            get_with(admin::balances, |op| op.told("listLedgerBalances", "List what the ledger's accounts hold")),
        )
}
