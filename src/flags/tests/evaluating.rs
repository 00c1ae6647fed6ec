use proptest::prelude::*;

use super::*;

fn on(flag: &CompiledFlag, context: &Context<'_>) -> bool {
    flag.evaluate(context).value == &FlagValue::Boolean(true)
}

#[test]
fn every_reason_is_given_where_it_belongs() {
    let reason = |json: &Value, context: Context<'_>| {
        let flag = compile(json);
        let evaluation = flag.evaluate(&context);
        (evaluation.variant.to_owned(), evaluation.reason, evaluation.error)
    };
    let user = Context::user("usr_1");
    let targeted = json!({"type": "boolean", "default": "off", "rules": [{"users": ["usr_1"], "variant": "on"}]});
    let mut disabled = targeted.clone();
    disabled["enabled"] = json!(false);
    let missing = Some(ErrorCode::TargetingKeyMissing);
    for (json, context, variant, expected, error) in [
        (json!({"type": "boolean", "default": "on"}), user, "on", Reason::Static, None),
        (targeted.clone(), user, "on", Reason::TargetingMatch, None),
        (targeted.clone(), Context::user("usr_2"), "off", Reason::Default, None),
        (targeted, Context::anonymous(), "off", Reason::Default, None),
        (disabled, user, "off", Reason::Disabled, None),
        (share(100.0), user, "on", Reason::Split, None),
        (share(100.0), Context::anonymous(), "off", Reason::Error, missing),
    ] {
        assert_eq!(reason(&json, context), (variant.to_owned(), expected, error), "{json}");
    }
}

#[test]
fn the_first_rule_that_applies_decides() {
    let flag = compile(&json!({
        "type": "number", "default": "none", "variants": {"none": 0, "one": 1, "two": 2, "three": 3.5},
        "rules": [
            {"tenants": ["ten_a"], "users": ["usr_1"], "variant": "one"},
            {"tenants": ["ten_a"], "variant": "two"},
            {"users": ["usr_1"], "variant": "three"},
        ],
    }));
    let number = |context: Context<'_>| flag.evaluate(&context).value.to_json().as_f64();
    assert_eq!(number(Context::user("usr_1").tenant("ten_a")), Some(1.0));
    assert_eq!(number(Context::user("usr_2").tenant("ten_a")), Some(2.0));
    assert_eq!(number(Context::user("usr_1").tenant("ten_b")), Some(3.5));
    assert_eq!(number(Context::user("usr_2")), Some(0.0));
}

#[test]
fn each_comparison_compares() {
    let holds = |op: &str, value: &Value, attribute: Option<Attribute<'_>>| {
        let mut condition = json!({"attribute": "a", "op": op});
        if !value.is_null() {
            condition["value"] = value.clone();
        }
        let json = json!({"type": "boolean", "default": "off", "rules": [{"when": [condition], "variant": "on"}]});
        let attributes: Vec<_> = attribute.into_iter().map(|attribute| ("a", attribute)).collect();
        on(&compile(&json), &Context::anonymous().attributes(&attributes))
    };
    let text = |text| Some(Attribute::Text(text));
    let number = |number| Some(Attribute::Number(number));
    let none = Value::Null;
    for (op, value, attribute, expected) in [
        ("equals", json!("FR"), text("FR"), true),
        ("equals", json!("FR"), text("fr"), false),
        ("equals", json!(5), number(5.0), true),
        ("equals", json!(5), text("5"), false),
        ("equals", json!(true), Some(Attribute::Bool(true)), true),
        ("equals", json!("FR"), None, false),
        ("not_equals", json!("FR"), text("DE"), true),
        ("not_equals", json!("FR"), text("FR"), false),
        ("not_equals", json!("FR"), None, true),
        ("in", json!(["FR", "DE", 7]), text("DE"), true),
        ("in", json!(["FR", "DE", 7]), number(7.0), true),
        ("in", json!(["FR", "DE", 7]), text("7"), false),
        ("not_in", json!(["FR", "DE"]), text("DE"), false),
        ("not_in", json!(["FR", "DE"]), text("ES"), true),
        ("not_in", json!(["FR", "DE"]), None, true),
        ("starts_with", json!("ab"), text("abc"), true),
        ("starts_with", json!("ab"), text("cab"), false),
        ("ends_with", json!("@example.com"), text("ada@example.com"), true),
        ("ends_with", json!("@example.com"), number(1.0), false),
        ("less_than", json!(5), number(4.9), true),
        ("less_than", json!(5), number(5.0), false),
        ("at_most", json!(5), number(5.0), true),
        ("greater_than", json!(5), number(5.0), false),
        ("at_least", json!(5), number(5.0), true),
        ("at_least", json!(5), number(f64::NAN), false),
        ("at_least", json!(5), text("6"), false),
        ("semver_at_least", json!("1.10.0"), text("1.9.9"), false),
        ("semver_at_least", json!("1.10.0"), text("1.10.0"), true),
        ("semver_less_than", json!("2.0.0"), text("2.0.0-rc.1"), true),
        ("semver_less_than", json!("2.0.0"), text("not a version"), false),
        ("semver_equals", json!("2.0.0"), text("2.0.0+build"), true),
        ("semver_greater_than", json!("2.0.0"), text("2.0.1"), true),
        ("semver_at_most", json!("2.0.0"), text("2.0.1"), false),
        ("exists", none.clone(), text(""), true),
        ("exists", none.clone(), None, false),
        ("missing", none.clone(), None, true),
        ("missing", none.clone(), text(""), false),
    ] {
        assert_eq!(holds(op, &value, attribute), expected, "{op} {value} {attribute:?}");
    }
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    let flag = compile(&json!({"type": "boolean", "default": "off", "rules": [{"variant": "on", "when": [
        {"attribute": "country", "op": "in", "value": ["FR", "DE"]},
        {"attribute": "tenant", "op": "starts_with", "value": "ten_"},
        {"attribute": "targetingKey", "op": "exists"}]}]}));
    let french = [("country", Attribute::Text("FR"))];
    assert!(on(&flag, &Context::user("u").tenant("ten_1").attributes(&french)));
    assert!(!on(&flag, &Context::user("u").tenant("x").attributes(&french)));
    assert!(!on(&flag, &Context::anonymous().tenant("ten_1").attributes(&french)));
    assert!(!on(&flag, &Context::user("u").tenant("ten_1")));
}

#[test]
fn a_split_by_tenant_keeps_its_people_together() {
    let mut json = share(50.0);
    json["rules"][0]["by"] = json!("tenant");
    let flag = compile(&json);
    for tenant in 0..50 {
        let tenant = format!("ten_{tenant}");
        let first = on(&flag, &Context::user("usr_0").tenant(&tenant));
        assert!((1..20).all(|user| on(&flag, &Context::user(&format!("usr_{user}")).tenant(&tenant)) == first));
    }
    assert_eq!(flag.evaluate(&Context::user("usr_0")).error, Some(ErrorCode::TargetingKeyMissing));
}

/// The hash is a promise: another one would draw everybody's lot anew.
#[test]
fn the_lots_are_the_same_for_ever() {
    let lots: Vec<_> =
        [("", ""), ("checkout.guest", "usr_1"), ("checkout.guest", "usr_2"), ("checkout.paypal", "usr_1"), ("é", "ü")]
            .map(|(salt, subject)| bucket(salt, subject))
            .into();
    assert_eq!(lots, [10_835, 67_988, 14_340, 24_993, 72_869]);
}

#[test]
fn shares_are_what_they_say_and_salts_are_independent() {
    let subjects: Vec<_> = (0..100_000).map(|n| format!("usr_{n}")).collect();
    let count = |below: u32| subjects.iter().filter(|subject| bucket("a", subject) < below).count();
    // Four standard deviations of a binomial distribution of 100,000.
    assert!(count(1_000).abs_diff(1_000) < 126, "{}", count(1_000));
    assert!(count(20_000).abs_diff(20_000) < 506, "{}", count(20_000));
    let both = subjects.iter().filter(|s| bucket("a", s) < 50_000 && bucket("b", s) < 50_000).count();
    assert!(both.abs_diff(25_000) < 548, "{both}");
}

proptest! {
    #[test]
    fn a_subject_keeps_what_it_has_while_the_share_grows(user in ".{1,40}", from in 0_u32..=100, more in 0_u32..=100) {
        let (small, large) = (f64::from(from), f64::from((from + more).min(100)));
        let (before, after) = (compile(&share(small)), compile(&share(large)));
        let context = Context::user(&user);
        prop_assert_eq!(on(&before, &context), on(&before, &context.tenant("ten_1")));
        prop_assert!(!on(&before, &context) || on(&after, &context));
        prop_assert!(on(&compile(&share(100.0)), &context));
        prop_assert!(!on(&compile(&share(0.0)), &context));
    }

    #[test]
    fn no_text_makes_reading_a_definition_fail_badly(text in ".{0,200}") {
        let _ = Definition::parse(&text);
    }
}
