use super::*;

fn flaws(json: &Value) -> Vec<Flaw> {
    Definition::parse(&json.to_string()).expect_err("flawed")
}

#[test]
fn every_flaw_is_named_with_its_place() {
    let flaws = flaws(&json!({
        "type": "boolean",
        "variants": {"on": true, "off": false, "maybe": "?"},
        "default": "none",
        "rules": [
            {"variant": "yes"},
            {"when": [{"attribute": "age", "op": "at_least", "value": "18"}], "variant": "on"},
            {"users": [], "split": [{"variant": "on", "percent": 20}, {"variant": "off", "percent": 70}]},
            {"users": ["a"]},
            {"users": ["a"], "variant": "on", "split": []},
            {"split": [{"variant": "on", "percent": 0.0001}, {"variant": "off", "percent": 99.9999}]},
        ],
    }));
    let found: Vec<_> = flaws.iter().map(|flaw| flaw.pointer.as_str()).collect();
    let expected = [
        "/variants/maybe",
        "/default",
        "/rules/0/variant",
        "/rules/1/when/0",
        "/rules/2/users",
        "/rules/2/split",
        "/rules/3",
        "/rules/4",
        "/rules/5/split/0/percent",
        "/rules/0",
    ];
    assert_eq!(found, expected, "{flaws:#?}");
    let text = definition_error(&flaws);
    assert!(text.contains("`none` is no variant of this flag; it has: maybe, off, on"), "{text}");
    assert!(text.contains("add up to 90 percent"), "{text}");
}

fn definition_error(flaws: &[Flaw]) -> String {
    flaws.iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_text_that_is_no_definition_is_refused_with_the_place() {
    for (json, pointer) in [
        (json!({"type": "colour", "default": "on"}), "/type"),
        (json!({"type": "boolean", "default": "on", "rulez": []}), "/rulez"),
        (
            json!({"type": "boolean", "default": "on", "rules": [{"variant": "on", "when": [{"attribute": "a", "op": "~"}]}]}),
            "/rules/0/when/0/op",
        ),
        (json!({"type": "boolean"}), ""),
        (json!([]), ""),
    ] {
        let flaws = flaws(&json);
        assert_eq!(flaws.len(), 1, "{flaws:?}");
        assert_eq!(flaws[0].pointer, pointer, "{flaws:?}");
    }
    assert_eq!(Definition::parse("{").expect_err("cut").len(), 1);
    assert_eq!(Definition::parse("{\"type\":\"boolean\",\"default\":\"on\"} x").expect_err("more").len(), 1);
}

#[test]
fn a_comparison_takes_its_own_kind_of_value() {
    let rule = |op: &str, value: &Value| {
        let mut condition = json!({"attribute": "a", "op": op});
        if !value.is_null() {
            condition["value"] = value.clone();
        }
        let json = json!({"type": "boolean", "default": "off", "rules": [{"when": [condition], "variant": "on"}]});
        Definition::parse(&json.to_string()).is_ok()
    };
    let values =
        [Value::Null, json!("x"), json!("1.2.3"), json!(5), json!(true), json!(["x", 1]), json!([]), json!({})];
    let takes = |op: &str| values.iter().map(|value| u8::from(rule(op, value)).to_string()).collect::<String>();
    assert_eq!(takes("equals"), "01111000");
    assert_eq!(takes("not_in"), "00000100");
    assert_eq!(takes("starts_with"), "01100000");
    assert_eq!(takes("at_least"), "00010000");
    assert_eq!(takes("semver_at_most"), "00100000");
    assert_eq!(takes("exists"), "10000000");
}

#[test]
fn a_definition_survives_its_own_json() {
    let definition = define(&json!({
        "type": "string", "description": "d", "enabled": false, "salt": "s", "default": "a",
        "variants": {"a": "A", "b": "B"},
        "rules": [
            {"tenants": ["t"], "by": "tenant", "split": [{"variant": "a", "percent": 33.333}, {"variant": "b", "percent": 66.667}]},
            {"when": [{"attribute": "x", "op": "missing"}], "users": ["u"], "variant": "b"},
        ],
    }));
    assert_eq!(define(&definition.to_json()), definition);
}

#[test]
fn every_declared_flag_is_sound_and_boolean_variants_go_without_saying() {
    for flag in DECLARED {
        let definition = flag.definition();
        CompiledFlag::compile(flag.key, &definition).unwrap_or_else(|flaws| panic!("{}: {flaws:?}", flag.key));
        assert_eq!(definition.variants.len(), 2);
    }
    let keys: std::collections::HashSet<_> = DECLARED.iter().map(|flag| flag.key).collect();
    assert_eq!(keys.len(), DECLARED.len());
}
