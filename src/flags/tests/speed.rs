use std::{hint::black_box, time::Instant};

use super::*;
use crate::audit::tests::scratch;

/// Prints what a check and an evaluation cost. Says nothing unless the program is optimised.
#[tokio::test]
#[ignore = "a measurement: run it alone, optimised, with --nocapture"]
async fn what_a_check_and_an_evaluation_cost() {
    // Counting is part of the price, so there is somebody who counts.
    metrics::set_global_recorder(metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder())
        .expect("the first recorder");
    scratch::sqlite(async |db, _| {
        let registry = registry(&db).await;
        let targeted = define(&json!({"type": "boolean", "default": "off", "rules": [
            {"when": [{"attribute": "country", "op": "in", "value": ["FR", "DE", "ES"]}], "variant": "on"}]}));
        registry.set("bench.targeted", &targeted, Expected::Any, &by("x")).await.expect("sets");
        registry.set("bench.split", &define(&share(20.0)), Expected::Any, &by("x")).await.expect("sets");
        let attributes = [("plan", Attribute::Text("yearly")), ("country", Attribute::Text("ES"))];
        let context = Context::user("usr_01h455vb4pex5vsknk084sn02q").attributes(&attributes);
        measure("kill switch check", || registry.is_on(black_box(Switch::Payments)));
        measure("static flag", || registry.bool(black_box(&CHECKOUT_GUEST), &context));
        for key in ["bench.targeted", "bench.split"] {
            measure(key, || registry.snapshot().evaluate(black_box(key), &context).map(|flag| flag.reason));
        }
    })
    .await;
}

fn measure<T>(name: &str, mut work: impl FnMut() -> T) {
    const ROUNDS: u32 = 2_000_000;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    println!("{name}: {:.1} ns", began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
}
