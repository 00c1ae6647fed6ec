//! The payment providers that the configuration switches on.

use std::{path::Path, sync::Arc, time::Duration};

use super::Failure;
use crate::{
    config::{Config, PaypalSection, StripeSection},
    db::Db,
    jobs::Schedule,
    kernel::Secret,
    orders::Reconcile,
    payments::{
        BreakerOptions, Client, ClientOptions, Guarded, Intake, Provider, Providers, PurgeInbox,
        paypal::{CertificateOptions, Paypal, PaypalOptions, Verifier},
        sandbox::Sandbox,
        stripe::{Stripe, StripeOptions},
    },
};

/// What `App` holds of them.
pub(super) struct Parts {
    pub(super) providers: Providers,
    pub(super) webhooks: Intake,
    pub(super) sandbox: Option<Sandbox>,
}

/// Makes the clients, and what verifies their webhooks.
pub(super) fn open(config: &Config, db: &Db) -> Result<Parts, Failure> {
    let options = ClientOptions { timeout: config.payments.timeout, ..ClientOptions::default() };
    let client = Client::new(options, db.ids().clone()).map_err(Failure::failed)?;
    let clock = Arc::clone(db.ids().clock());
    let breaker = BreakerOptions { rest: config.payments.breaker_rest, ..BreakerOptions::default() };
    let (mut providers, mut webhooks) = (Vec::<Arc<dyn Provider>>::new(), Intake::default());
    let StripeSection { api_base, secret_key, webhook_secret } = &config.payments.stripe;
    if !secret_key.expose().is_empty() {
        let options = StripeOptions { api_base: base(api_base), secret_key: secret_key.clone() };
        let stripe = Stripe::new(client.clone(), options, Arc::clone(&clock));
        providers.push(Arc::new(Guarded::with(stripe, breaker, Arc::clone(&clock))));
        webhooks.stripe = Some(secrets(webhook_secret));
    }
    if !config.payments.paypal.client_id.is_empty() {
        let paypal = paypal(config, client.clone(), db);
        providers.push(Arc::new(Guarded::with(paypal, breaker, clock)));
        webhooks.paypal = Some(Arc::new(verifier(&config.payments.paypal, client)?));
    }
    let mut sandbox = None;
    if config.payments.sandbox.enabled {
        webhooks.sandbox = Some(secrets(&config.payments.sandbox.webhook_secret));
        let pretended = Sandbox::new(db.clone(), webhooks.clone(), config.http.public_url.as_str());
        providers.push(Arc::new(pretended.clone()));
        sandbox = Some(pretended);
    }
    Ok(Parts { providers: Providers::new(providers), webhooks, sandbox })
}

/// What of the payments is done by the clock.
pub(super) fn schedules(config: &Config) -> Result<Vec<Schedule>, Failure> {
    let purge = PurgeInbox { keep_seconds: config.payments.inbox_retention.as_secs() };
    let nightly = Schedule::new("payments.purge_inbox", "23 3 * * *", purge).map_err(Failure::failed)?;
    let reconcile = every(config.payments.reconcile_interval);
    let reconcile = Schedule::new("payments.reconcile", &reconcile, Reconcile {}).map_err(Failure::failed)?;
    Ok(vec![nightly, reconcile])
}

/// The cron expression that comes nearest to an interval between a second and an hour.
fn every(interval: Duration) -> String {
    match (interval.as_secs().max(1), interval.as_secs() / 60) {
        (seconds, 0) => format!("*/{seconds} * * * * *"),
        (_, minutes @ 1..60) => format!("*/{minutes} * * * *"),
        _ => "0 * * * *".to_owned(),
    }
}

fn paypal(config: &Config, client: Client, db: &Db) -> Paypal {
    let PaypalSection { api_base, client_id, client_secret, .. } = &config.payments.paypal;
    let options = PaypalOptions {
        api_base: base(api_base),
        client_id: client_id.clone(),
        client_secret: client_secret.clone(),
        shop_name: config.shop.name.clone(),
    };
    Paypal::new(client, options, Arc::clone(db.ids().clock()))
}

fn verifier(section: &PaypalSection, client: Client) -> Result<Verifier, Failure> {
    let roots = match &*section.certificate_roots {
        path if path.as_os_str().is_empty() => None,
        path => Some(read(path)?),
    };
    let options = CertificateOptions { api_base: base(&section.api_base), roots };
    Verifier::new(client, section.webhook_id.clone(), &options)
        .map_err(|error| Failure::failed(format!("payments.paypal.certificate_roots: {error}")))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::failed(format!("payments.paypal.certificate_roots: cannot read {}: {error}", path.display()))
    })
}

fn base(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn secrets(list: &[Secret<String>]) -> Arc<[Secret<String>]> {
    list.iter().filter(|secret| !secret.expose().is_empty()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_cron_expression() {
        for (seconds, expression) in [
            (1, "*/1 * * * * *"),
            (59, "*/59 * * * * *"),
            (60, "*/1 * * * *"),
            (600, "*/10 * * * *"),
            (3_600, "0 * * * *"),
        ] {
            let made = every(Duration::from_secs(seconds));
            assert_eq!(made, expression);
            assert!(Schedule::new("payments.reconcile", &made, Reconcile {}).is_ok(), "{made}");
        }
    }
}
