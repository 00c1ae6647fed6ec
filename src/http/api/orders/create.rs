//! `POST /api/quotes`, `POST /api/orders`

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use super::view::{OrderHead, QuoteView};
use crate::{
    accounts::{Email, Scope},
    app::App,
    catalog::{self, Quote, QuoteError, QuoteRequest, tax::Taxation},
    db::DbError,
    flags::{self, CHECKOUT_GUEST, CHECKOUT_PAYPAL},
    http::{Caller, Context, IdempotencyKey, Json, Keyed, Kind, Limiter, NotStored, Once, Problem, address_key},
    kernel::TenantId,
    orders::{self, Billed, Buyer, NewOrder, OpenError, Opening},
    payments::{Provider, ProviderName},
};

/// A new order; a guest gets the token that shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OpenedOrder")]
pub(super) struct Opened {
    #[serde(flatten)]
    order: OrderHead,
    #[serde(flatten)]
    cart: QuoteView,
    /// What shows the order to a guest, as `token` of `GET /api/orders/{order}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_token: Option<String>,
}

/// How often guests of one address may order.
#[derive(Debug, Clone)]
pub(super) struct GuestLimit(Arc<Limiter>);

impl GuestLimit {
    /// Ten orders a minute.
    pub(super) fn new() -> Self {
        Self(Arc::new(Limiter::new("guest-orders", 10, Duration::from_mins(1))))
    }
}

/// `POST /api/quotes`: what a cart would cost. Nothing is kept.
pub(super) async fn quote(
    State(app): State<App>,
    caller: Option<Caller>,
    context: Context,
    Json(new): Json<NewOrder>,
) -> Result<Json<QuoteView>, Problem> {
    let billed = billed(&new, &context)?;
    let quote = price(&app, &new, caller.map(|caller| caller.tenant), billed.as_ref()).await?;
    Ok(Json(QuoteView::of(&quote)))
}

/// `POST /api/orders`
pub(super) async fn create(
    State(app): State<App>,
    caller: Option<Caller>,
    context: Context,
    Extension(guests): Extension<GuestLimit>,
    key: IdempotencyKey,
    Json(new): Json<NewOrder>,
) -> Result<NotStored<Once<Opened>>, Problem> {
    let buyer = buyer(&app, caller, &context, &guests, &new)?;
    let who = match &buyer {
        Buyer::Account { user, .. } => user.to_string(),
        Buyer::Guest(email) => format!("guest {}", email.as_str()),
    };
    let keyed = Keyed::new(key, format!("{who} POST /api/orders"), &new)?.found_in("/api/orders");
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(NotStored(answer));
    }
    let billed = billed(&new, &context)?;
    let quote = match price(&app, &new, buyer.tenant(), billed.as_ref()).await {
        Ok(quote) => quote,
        Err(problem) => return keyed.refused(&app, problem).await.map(NotStored),
    };
    let provider = provider(&app, &quote, new.provider)?;
    let opening =
        Opening { buyer: &buyer, quote: &quote, provider, policy: &app.shop.policy, billing: billed.as_ref() };
    let response = keyed
        .once(&app, async |tx| {
            let order = orders::open(tx, &opening).await?;
            let guest = matches!(buyer, Buyer::Guest(_));
            let guest_token = guest.then(|| orders::guest_token(&app.keys, order.id));
            let opened = Opened { order: OrderHead::of(&app, &order), cart: QuoteView::of(&quote), guest_token };
            Ok::<_, OpenError>(opened)
        })
        .await?;
    Ok(NotStored(response))
}

/// Somebody signed in, or a guest who names an address, where guests are welcome.
fn buyer(
    app: &App,
    caller: Option<Caller>,
    context: &Context,
    guests: &GuestLimit,
    new: &NewOrder,
) -> Result<Buyer, Problem> {
    if let Some(caller) = caller {
        caller.require(Scope::OrdersWrite)?;
        return Ok(Buyer::Account { user: caller.user, tenant: caller.tenant, email: caller.email.clone() });
    }
    if !app.flags.bool(&CHECKOUT_GUEST, &flags::Context::default()) {
        return Err(Problem::new(Kind::Unauthorized).detail("sign in to order; guests cannot order here"));
    }
    let invalid = |detail: String| Problem::new(Kind::InvalidInput).error("#/email", detail);
    let email = new.email.as_deref().ok_or_else(|| invalid("needed to deliver to you, or sign in".to_owned()))?;
    let email: Email = email.parse().map_err(|error| invalid(format!("{error}")))?;
    guests.0.check(&address_key(context.peer()))?;
    Ok(Buyer::Guest(email))
}

/// Whom to bill, if it is said.
fn billed(new: &NewOrder, context: &Context) -> Result<Option<Billed>, Problem> {
    Ok(new.billing.clone().map(|billing| billing.check(context.peer())).transpose()?)
}

async fn price(app: &App, new: &NewOrder, tenant: Option<TenantId>, billed: Option<&Billed>) -> Result<Quote, Problem> {
    let request = QuoteRequest {
        items: &new.items,
        currency: new.currency.unwrap_or(app.shop.currency),
        coupon: new.coupon.as_deref(),
        tenant,
        commission_bps: app.shop.policy.commission_bps,
        tax: Some(Taxation { rules: &app.shop.policy.tax, place: billed.map(Billed::place) }),
    };
    catalog::quote(&app.db, request).await.map_err(|error| OpenError::Quote(error).into())
}

/// The provider that is asked for, or the first that is on.
fn provider(app: &App, quote: &Quote, wanted: Option<ProviderName>) -> Result<ProviderName, Problem> {
    let refused = |detail: &str| Problem::new(Kind::InvalidInput).error("#/provider", detail);
    let paypal = app.flags.bool(&CHECKOUT_PAYPAL, &flags::Context::default());
    let on = |provider: &dyn Provider| paypal || provider.name() != ProviderName::Paypal;
    let found = match wanted {
        Some(name) => app.providers.get(name).filter(|provider| on(provider.as_ref())),
        None => app.providers.iter().find(|provider| on(provider.as_ref())),
    };
    match found {
        Some(provider) => {
            orders::check(quote, provider.as_ref())?;
            Ok(provider.name())
        }
        None if wanted.is_some() => Err(refused("this provider is not offered here")),
        None => Err(Problem::new(Kind::CapabilityDisabled)
            .detail("no payment provider is set up; the operator has to configure one")),
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        let at = |pointer: &str| Self::new(Kind::InvalidInput).error(pointer, text.clone());
        match error {
            OpenError::Quote(QuoteError::ItemCount)
            | OpenError::SubscriptionAmongOthers
            | OpenError::TrialUsed
            | OpenError::Amount(..) => at("#/items"),
            OpenError::Quote(QuoteError::Items(problems)) => {
                problems.into_iter().fold(Self::new(Kind::InvalidInput), |problem, (index, what)| {
                    problem.error(format!("#/items/{index}"), what.to_string())
                })
            }
            OpenError::CountryNeeded => at("#/billing/country"),
            OpenError::Quote(QuoteError::Coupon(_)) => at("#/coupon"),
            OpenError::NoSubscriptions(_) => at("#/provider"),
            OpenError::Currency(_) => at("#/currency"),
            OpenError::Unbalanced(error) => Self::internal(error),
            // What it is about was deleted after it was priced.
            OpenError::Db(DbError::ForeignKey(_)) => {
                Self::new(Kind::Conflict).detail("something in the cart was taken off the shelf just now; look again")
            }
            OpenError::Quote(QuoteError::Db(error)) | OpenError::Db(error) => error.into(),
        }
    }
}
