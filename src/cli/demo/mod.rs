//! `mintreu demo`: an empty directory becomes a shop with goods on its shelves, in which somebody signs up, buys, downloads,
//! calls an API and is helped before your eyes; then it stays open.

mod archive;
mod client;
mod goods;
mod mailbox;
mod operator;
mod stock;
mod tell;
mod walk;

use std::process::ExitCode;

use self::{mailbox::Mailbox, operator::OPERATOR, tell::Teller, walk::Left};
use super::{Failure, open, serve};
use crate::{
    app::App,
    catalog::seed,
    config::{Config, MailKind, Profile},
    db::SchemaState,
};

/// Starts the server, fills the shop, walks through a purchase, and goes on serving unless told to leave.
pub(super) async fn run(mut config: Config, leave: bool) -> Result<ExitCode, Failure> {
    refuse_unfit(&config)?;
    // What happens is printed here; the log tells only what is wrong.
    if config.telemetry.log_filter.as_str() == "info" {
        config.telemetry.log_filter = "warn".parse().map_err(Failure::usage)?;
    }
    let walked = config.clone();
    let next = if leave { serve::Then::Leave } else { serve::Then::Stay };
    let served = serve::run_with(config, next, async move |app| {
        let left = Box::pin(show(app, &walked)).await?;
        if !leave {
            tell_where(app, &walked, &left);
        }
        Ok(())
    });
    Box::pin(served).await
}

/// A shop that takes real money is no place to play in.
fn refuse_unfit(config: &Config) -> Result<(), Failure> {
    if config.profile == Profile::Production {
        return Err(Failure::usage("profile: the demonstration is not for production; start it in an empty directory"));
    }
    if !config.payments.sandbox.enabled {
        return Err(Failure::usage("payments.sandbox.enabled: the demonstration pays in the sandbox; switch it on"));
    }
    if config.mail.kind != MailKind::File {
        return Err(Failure::usage("mail.kind: the demonstration reads the mails it gets; set it to \"file\""));
    }
    Ok(())
}

/// Fills the shop and walks through it.
async fn show(app: &App, config: &Config) -> Result<Left, Failure> {
    let url = format!("http://{}", config.http.listen);
    let mut teller = Teller::new();
    tell::line(&format!("Mintreu at {url}"));
    teller.step("Open the shop");
    let schema = match app.db.schema_state().await? {
        SchemaState::Current { version } => format!("at version {version}"),
        other => open::describe(&other),
    };
    teller.timed("the schema", format!("{schema}, in {}", config.database.url));
    let goods = seed::believable(&app.db).await.map_err(Failure::failed)?;
    let fresh = if goods.imported.products.created > 0 { "new" } else { "there already" };
    let shelves = format!("{} products in {} categories, {fresh}", goods.products, goods.categories);
    teller.timed("the catalogue", shelves);
    let mut operator = operator::sign_in(app, &url).await?;
    teller.timed("POST /api/login", format!("{OPERATOR}, the operator"));
    let files = stock::fill(&mut operator, &mut teller).await?;
    let mailbox = Mailbox::at(&config.mail.file.path);
    Box::pin(walk::walk(walk::Scene { app, url: &url, operator, mailbox, teller, files })).await
}

fn tell_where(app: &App, config: &Config, left: &Left) {
    let url = &app.shop.public_url;
    let metrics = config.metrics.listen.map_or_else(|| "off".to_owned(), |listen| format!("http://{listen}/metrics"));
    let mails = config.mail.file.path.display();
    let (key, email, password) = (&left.license_key, &left.email, &left.password);
    let operator = operator::password(app);
    tell::line(&format!(
        "
The shop is open. Look around:
   products     {url}/api/products
   one of them  {url}/api/products/tidyname
   articles     {url}/api/articles
   metrics      {metrics}
   mails        {mails}
   buyer        {email}  password {password}
   operator     {OPERATOR}  password {operator}

And try, in another terminal:
   curl -s {url}/api/license/validate -H 'Content-Type: application/json' -d '{{\"license_key\": \"{key}\"}}'
   curl -s -c jar {url}/api/login -H 'Content-Type: application/json' \\
        -d '{{\"email\": \"{OPERATOR}\", \"password\": \"{operator}\"}}'
   curl -s -b jar {url}/api/admin/orders
   mintreu audit verify; mintreu doctor
README.md walks the same way with curl. Ctrl-C closes the shop; what was sold stays sold."
    ));
}
