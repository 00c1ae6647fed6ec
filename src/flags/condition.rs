//! Conditions, made ready at the time a flag is loaded, so that testing one allocates nothing.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    Attribute, ConditionDef, Context, Op,
    version::{OwnedVersion, Version},
};

/// A condition on one attribute.
#[derive(Debug)]
pub(super) struct Condition {
    attribute: Box<str>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    In(Set),
    NotIn(Set),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Number(Compare, f64),
    Semver(Compare, OwnedVersion),
    Exists,
    Missing,
}

#[derive(Debug, Clone, Copy)]
enum Compare {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Compare {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// Values to be found again: texts by binary search.
#[derive(Debug, Default)]
struct Set {
    texts: Texts,
    numbers: Box<[f64]>,
    truths: Box<[bool]>,
}

/// Sorted texts.
#[derive(Debug, Default)]
pub(super) struct Texts(Box<[Box<str>]>);

impl Texts {
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts: Vec<Box<str>> = texts.into_iter().map(Into::into).collect();
        texts.sort_unstable();
        texts.dedup();
        Self(texts.into())
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.binary_search_by(|known| known.as_ref().cmp(text)).is_ok()
    }
}

impl Set {
    fn new<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<Self> {
        let (mut texts, mut numbers, mut truths) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match Attribute::from_json(value)? {
                Attribute::Text(text) => texts.push(text),
                Attribute::Number(number) => numbers.push(number),
                Attribute::Bool(truth) => truths.push(truth),
            }
        }
        Some(Self { texts: Texts::new(texts), numbers: numbers.into(), truths: truths.into() })
    }

    fn contains(&self, value: Attribute<'_>) -> bool {
        match value {
            Attribute::Text(text) => self.texts.contains(text),
            Attribute::Number(number) => self.numbers.contains(&number),
            Attribute::Bool(truth) => self.truths.contains(&truth),
        }
    }
}

impl Condition {
    /// Makes a condition ready, or says what is wrong with its value.
    pub(super) fn compile(def: &ConditionDef) -> Result<Self, &'static str> {
        const SCALAR: &str = "this comparison takes a text, a number, true or false";
        const LIST: &str = "this comparison takes a list of texts, numbers, true or false, that is not empty";
        const TEXT: &str = "this comparison takes a text that is not empty";
        const NUMBER: &str = "this comparison takes a number";
        const SEMVER: &str = "this comparison takes a version such as \"1.4.0\" or \"2.0.0-rc.1\"";
        const NOTHING: &str = "this comparison takes no value";
        if def.attribute.is_empty() {
            return Err("name the attribute");
        }
        let one = || Set::new([&def.value]).ok_or(SCALAR);
        let many = || def.value.as_array().filter(|list| !list.is_empty()).and_then(Set::new).ok_or(LIST);
        let words = || def.value.as_str().filter(|text| !text.is_empty()).map(Into::into).ok_or(TEXT);
        let number = |compare| def.value.as_f64().map(|value| Test::Number(compare, value)).ok_or(NUMBER);
        let semver = |compare| {
            let version = def.value.as_str().and_then(OwnedVersion::parse);
            version.map(|version| Test::Semver(compare, version)).ok_or(SEMVER)
        };
        let none = |test| if def.value.is_null() { Ok(test) } else { Err(NOTHING) };
        let test = match def.op {
            Op::Equals => Test::In(one()?),
            Op::NotEquals => Test::NotIn(one()?),
            Op::In => Test::In(many()?),
            Op::NotIn => Test::NotIn(many()?),
            Op::StartsWith => Test::StartsWith(words()?),
            Op::EndsWith => Test::EndsWith(words()?),
            Op::LessThan => number(Compare::Less)?,
            Op::AtMost => number(Compare::AtMost)?,
            Op::GreaterThan => number(Compare::Greater)?,
            Op::AtLeast => number(Compare::AtLeast)?,
            Op::SemverEquals => semver(Compare::Equal)?,
            Op::SemverLessThan => semver(Compare::Less)?,
            Op::SemverAtMost => semver(Compare::AtMost)?,
            Op::SemverGreaterThan => semver(Compare::Greater)?,
            Op::SemverAtLeast => semver(Compare::AtLeast)?,
            Op::Exists => none(Test::Exists)?,
            Op::Missing => none(Test::Missing)?,
        };
        Ok(Self { attribute: def.attribute.as_str().into(), test })
    }

    /// Whether it holds.
    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        let Some(value) = context.attribute(&self.attribute) else {
            return matches!(self.test, Test::Missing | Test::NotIn(_));
        };
        match (&self.test, value) {
            (Test::In(set), value) => set.contains(value),
            (Test::NotIn(set), value) => !set.contains(value),
            (Test::StartsWith(start), Attribute::Text(text)) => text.starts_with(&**start),
            (Test::EndsWith(end), Attribute::Text(text)) => text.ends_with(&**end),
            (Test::Number(compare, bound), Attribute::Number(number)) => {
                number.partial_cmp(bound).is_some_and(|order| compare.holds(order))
            }
            (Test::Semver(compare, bound), Attribute::Text(text)) => {
                Version::parse(text).is_some_and(|version| compare.holds(version.compare(&bound.get())))
            }
            (Test::Exists, _) => true,
            // Another type than the comparison's, or `missing` of what is there.
            _ => false,
        }
    }
}
