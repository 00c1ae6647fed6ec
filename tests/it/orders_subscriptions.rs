//! Subscriptions: renewed, unpaid, reminded, ended; told in any order.

use std::{sync::Arc, time::Duration};

use mintreu::{
    catalog::BillingCycle,
    fetch_one,
    kernel::{Currency, ManualClock, SubscriptionId, Time},
    orders::{
        self, Buyer, Handled, Order,
        subscriptions::{self, CancelSubscription, EndError, SubscriptionStatus},
    },
    payments::{Event, Paid, Refunded, Renewed},
};

use crate::support::{Sells, TestDb, Till, count, paid};

const START: Time = Time::from_micros(1_800_000_000_000_000);

struct Scene {
    till: Till,
    clock: Arc<ManualClock>,
    buyer: Buyer,
    order: Order,
    id: SubscriptionId,
}

impl Scene {
    /// Somebody subscribed to a monthly plan.
    async fn open(test: &TestDb) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let till = Till::open_at(test, clock.clone()).await;
        let item = till.sell("cloud", Sells { billing: BillingCycle::Monthly, ..Sells::default() }).await;
        let buyer = till.buyer("a@example.com").await;
        let order = till.order(&buyer, &[item]).await;
        let event = Event::Paid(Paid { subscription: Some("sub_1".into()), ..paid(&order) });
        assert_eq!(till.tell(event).await, Ok(Handled::Settled));
        till.fulfil(order.id).await;
        let id = fetch_one!(till.db, sqlx::query_scalar("SELECT id FROM subscriptions")).expect("one");
        Self { till, clock, buyer, order, id }
    }

    async fn status(&self) -> SubscriptionStatus {
        fetch_one!(self.till.db, sqlx::query_scalar("SELECT status FROM subscriptions")).expect("one")
    }

    async fn license_end(&self) -> Time {
        self.till.licenses(self.order.id).await[0].expires_at.expect("it ends")
    }

    async fn step(&self) -> i64 {
        fetch_one!(self.till.db, sqlx::query_scalar("SELECT dunning_step FROM subscriptions")).expect("one")
    }

    async fn due(&self) -> Vec<SubscriptionId> {
        self.till.db.write(async |tx| subscriptions::dunning_due(tx, 10).await).await.expect("answers")
    }

    fn days(&self, days: u64) {
        self.clock.advance(Duration::from_hours(days * 24));
    }
}

fn renewal(invoice: &str, period_end: Time) -> Event {
    Event::Renewed(Renewed {
        subscription: "sub_1".into(),
        invoice: invoice.into(),
        charge: Some(format!("pi_{invoice}")),
        amount: 1_999,
        currency: Currency::USD,
        period_end,
    })
}

fn failure(invoice: &str) -> Event {
    Event::RenewalFailed { subscription: "sub_1".into(), invoice: invoice.into() }
}

on_both!(a_renewal_prolongs_once_however_often_and_late_it_is_told, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    let (one, two) = (START.plus_months(1), START.plus_months(2));
    assert_eq!(scene.license_end().await, one.plus_days(1));
    let three = START.plus_months(3);
    assert_eq!(scene.till.tell(renewal("in_2", three)).await, Ok(Handled::Renewed));
    // The older one comes late: it is booked, and shortens nothing.
    assert_eq!(scene.till.tell(renewal("in_1", two)).await, Ok(Handled::Renewed));
    assert_eq!(scene.till.tell(renewal("in_1", two)).await, Ok(Handled::AlreadyPaid));
    assert_eq!(scene.license_end().await, three.plus_days(1));
    assert_eq!(scene.till.balance("clearing:stripe").await, 3 * 1_999);
    assert_eq!(count(&scene.till.db, "SELECT COUNT(*) FROM payments").await, 3);
    scene.till.assert_sound().await;
});

on_both!(a_renewal_before_its_subscription_waits, |test: TestDb| async move {
    let till = Till::open(&test).await;
    assert!(till.tell(renewal("in_1", START)).await.is_err());
    assert!(till.tell(failure("in_1")).await.is_err());
});

on_both!(a_renewal_of_another_amount_is_kept_for_an_operator, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    let before = scene.license_end().await;
    let Event::Renewed(renewed) = renewal("in_1", START.plus_months(2)) else { unreachable!() };
    let event = Event::Renewed(Renewed { amount: 500, ..renewed });
    assert_eq!(scene.till.tell(event).await, Ok(Handled::WrongAmount));
    assert_eq!(scene.license_end().await, before);
    assert_eq!(scene.till.balance("suspense").await, -500);
    assert!(scene.till.find(scene.order.id).await.attention.is_some());
    scene.till.assert_sound().await;
});

on_both!(an_unpaid_period_is_retried_after_2_5_7_and_7_days_and_then_ends, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    let till = &scene.till;
    scene.days(31);
    assert_eq!(till.tell(failure("in_1")).await, Ok(Handled::PastDue));
    assert_eq!(till.tell(failure("in_1")).await, Ok(Handled::NoChange), "each try of the provider tells again");
    assert_eq!(scene.status().await, SubscriptionStatus::PastDue);
    assert!(scene.license_end().await > till.db.now().plus_days(21), "it stays usable meanwhile");
    for (days, step) in [(2, 2), (5, 3), (7, 4)] {
        scene.days(days - 1);
        assert_eq!(scene.due().await, vec![], "step {step}");
        scene.days(1);
        assert_eq!(scene.due().await, vec![scene.id]);
        assert!(subscriptions::unpaid(&till.db, scene.id).await.expect("answers").is_some());
        for _ in 0..2 {
            // Run twice, it is one step.
            till.db.write(async |tx| subscriptions::retried(tx, scene.id).await).await.expect("noted");
        }
        assert_eq!(scene.step().await, step);
    }
    assert_eq!(till.licenses_in(scene.order.id, "active").await, 1);
    scene.days(7);
    till.db.write(async |tx| subscriptions::retried(tx, scene.id).await).await.expect("noted");
    assert_eq!(scene.status().await, SubscriptionStatus::Expired);
    assert_eq!(till.licenses_in(scene.order.id, "cancelled").await, 1);
    assert_eq!(till.jobs_of("payments.end_subscription").await, 1, "the provider is told");
    till.assert_sound().await;
});

on_both!(a_retry_that_succeeds_makes_it_active_again, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    scene.days(31);
    assert_eq!(scene.till.tell(failure("in_1")).await, Ok(Handled::PastDue));
    scene.days(3);
    assert_eq!(scene.till.tell(renewal("in_1", START.plus_months(2))).await, Ok(Handled::Renewed));
    assert_eq!((scene.status().await, scene.step().await), (SubscriptionStatus::Active, 0));
    // The failure of an invoice that is paid is old news.
    assert_eq!(scene.till.tell(failure("in_1")).await, Ok(Handled::NoChange));
    assert_eq!(scene.status().await, SubscriptionStatus::Active);
});

on_both!(its_holder_ends_it_with_the_period_or_at_once, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    let till = &scene.till;
    let tenant = scene.buyer.tenant().expect("an account");
    let end = async |tenant, when| {
        let actor = mintreu::audit::Actor::user("u");
        till.db.write(async |tx| subscriptions::request_end(tx, tenant, scene.id, when, actor).await).await
    };
    let stranger = till.buyer("b@example.com").await.tenant().expect("an account");
    assert!(matches!(end(stranger, CancelSubscription::Now).await, Err(EndError::NotFound)));
    end(tenant, CancelSubscription::PeriodEnd).await.expect("noted");
    assert_eq!(scene.status().await, SubscriptionStatus::Active, "what is paid stays");
    assert_eq!(till.licenses_in(scene.order.id, "active").await, 1);
    scene.days(33);
    till.db.write(async |tx| orders::sweep(tx, &till.policy).await).await.expect("swept");
    assert_eq!(scene.status().await, SubscriptionStatus::Cancelled);
    assert_eq!(till.licenses_in(scene.order.id, "cancelled").await, 1);
    assert!(matches!(end(tenant, CancelSubscription::Now).await, Err(EndError::Ended)));
});

on_both!(the_provider_ends_it_and_a_full_refund_ends_it, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    let ended = Event::SubscriptionEnded { subscription: "sub_1".into() };
    assert_eq!(scene.till.tell(ended.clone()).await, Ok(Handled::SubscriptionEnded));
    assert_eq!(scene.till.tell(ended).await, Ok(Handled::NoChange));
    assert_eq!(scene.till.licenses_in(scene.order.id, "cancelled").await, 1);
});

on_both!(refunding_a_renewal_ends_the_subscription_and_leaves_the_first_payment, |test: TestDb| async move {
    let scene = Scene::open(&test).await;
    let till = &scene.till;
    assert_eq!(till.tell(renewal("in_1", START.plus_months(2))).await, Ok(Handled::Renewed));
    let refund = Event::Refunded(Refunded {
        order: None,
        charge: "pi_in_1".into(),
        refunds: vec![("re_1".into(), 1_999)],
        total: None,
        currency: Currency::USD,
    });
    assert_eq!(till.tell(refund).await, Ok(Handled::Refunded));
    assert_eq!(scene.status().await, SubscriptionStatus::Cancelled);
    assert_eq!(till.find(scene.order.id).await.refunded, 0);
    assert_eq!(till.balance("clearing:stripe").await, 1_999);
    till.assert_sound().await;
});
