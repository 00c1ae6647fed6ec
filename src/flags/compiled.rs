//! A flag, made ready: evaluating it follows its rules in order and allocates nothing.

use metrics::Counter;
use serde::Serialize;

use super::{
    Context, Definition, FlagKind, FlagValue, Flaw, RuleDef, Share, SplitBy,
    condition::{Condition, Texts},
};

/// Why a value was served, in OpenFeature's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The flag has no rules.
    Static,
    /// A rule applied.
    TargetingMatch,
    /// A rule applied and drew lots.
    Split,
    /// The flag is not enabled.
    Disabled,
    /// No rule applied.
    Default,
    /// See the error code; the value is the default one.
    Error,
}

impl Reason {
    const ALL: [Self; 6] =
        [Self::Static, Self::TargetingMatch, Self::Split, Self::Disabled, Self::Default, Self::Error];

    /// Its name in OpenFeature.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
            Self::Default => "DEFAULT",
            Self::Error => "ERROR",
        }
    }
}

/// What went wrong in an evaluation, in OpenFeature's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A rule draws lots and the context has nothing to draw by.
    TargetingKeyMissing,
}

/// The outcome of an evaluation, borrowed from the snapshot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation<'s> {
    /// The value.
    pub value: &'s FlagValue,
    /// The name of the variant.
    pub variant: &'s str,
    /// Why this one.
    pub reason: Reason,
    /// What went wrong, if the reason is [`Reason::Error`].
    pub error: Option<ErrorCode>,
}

/// A flag, ready to be evaluated.
#[derive(Debug)]
pub struct CompiledFlag {
    kind: FlagKind,
    rules: Rules,
    counters: [Counter; 6],
}

impl CompiledFlag {
    /// Makes a flag ready, or says everything that is wrong with its definition.
    pub fn compile(key: &str, definition: &Definition) -> Result<Self, Vec<Flaw>> {
        let counters = Reason::ALL.map(|reason| {
            metrics::counter!("mintreu_flags_evaluations_total", "flag" => key.to_owned(), "reason" => reason.as_str())
        });
        Ok(Self { kind: definition.kind, rules: Rules::compile(definition, key)?, counters })
    }

    /// The type of its values.
    #[must_use]
    pub const fn kind(&self) -> FlagKind {
        self.kind
    }

    /// Evaluates the flag.
    #[must_use]
    pub fn evaluate(&self, context: &Context<'_>) -> Evaluation<'_> {
        let (index, reason, error) = self.rules.decide(context);
        self.counters[reason as usize].increment(1);
        let (variant, value) = &self.rules.variants[index];
        Evaluation { value, variant, reason, error }
    }
}

/// The variants and rules of a flag.
#[derive(Debug)]
pub(super) struct Rules {
    variants: Box<[(Box<str>, FlagValue)]>,
    default: usize,
    enabled: bool,
    in_order: Box<[Rule]>,
}

#[derive(Debug)]
struct Rule {
    users: Option<Texts>,
    tenants: Option<Texts>,
    when: Box<[Condition]>,
    serve: Serve,
}

#[derive(Debug)]
enum Serve {
    Variant(usize),
    Split { by: SplitBy, seed: u64, shares: Box<[(u32, usize)]> },
}

impl Rules {
    pub(super) fn compile(definition: &Definition, key: &str) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut variants = Vec::new();
        for (name, value) in &definition.variants {
            match FlagValue::read(definition.kind, value) {
                Some(value) => variants.push((Box::from(name.as_str()), value)),
                None => flaws.push(Flaw::at(
                    format!("/variants/{name}"),
                    format!("the flag's type is {}, and this is no {}", definition.kind, definition.kind),
                )),
            }
        }
        let mut compiler = Compiler {
            names: definition.variants.keys().map(String::as_str).collect(),
            seed: seed(definition.salt.as_deref().unwrap_or(key)),
            flaws,
        };
        if compiler.names.is_empty() {
            compiler.flaw("/variants", "name at least one variant");
        }
        let default = compiler.variant("/default", &definition.default);
        let rules: Vec<_> = definition.rules.iter().enumerate().map(|(at, rule)| compiler.rule(at, rule)).collect();
        let last = definition.rules.len().saturating_sub(1);
        for (at, rule) in definition.rules.iter().enumerate().take(last) {
            if rule.when.is_empty() && rule.users.is_none() && rule.tenants.is_none() {
                compiler.flaw(&format!("/rules/{at}"), "applies to everybody, so the rules after it never do");
            }
        }
        match (default, rules.into_iter().collect::<Option<Box<[Rule]>>>()) {
            (Some(default), Some(rules)) if compiler.flaws.is_empty() => {
                Ok(Self { variants: variants.into(), default, enabled: definition.enabled, in_order: rules })
            }
            _ => Err(compiler.flaws),
        }
    }

    fn decide(&self, context: &Context<'_>) -> (usize, Reason, Option<ErrorCode>) {
        if !self.enabled {
            return (self.default, Reason::Disabled, None);
        }
        if self.in_order.is_empty() {
            return (self.default, Reason::Static, None);
        }
        for rule in &self.in_order {
            if rule.applies(context) {
                return match rule.serve.variant(context) {
                    Some((variant, reason)) => (variant, reason, None),
                    None => (self.default, Reason::Error, Some(ErrorCode::TargetingKeyMissing)),
                };
            }
        }
        (self.default, Reason::Default, None)
    }
}

impl Rule {
    fn applies(&self, context: &Context<'_>) -> bool {
        let listed = |texts: &Option<Texts>, name: Option<&str>| {
            texts.as_ref().is_none_or(|texts| name.is_some_and(|name| texts.contains(name)))
        };
        listed(&self.users, context.targeting_key)
            && listed(&self.tenants, context.tenant)
            && self.when.iter().all(|condition| condition.holds(context))
    }
}

impl Serve {
    fn variant(&self, context: &Context<'_>) -> Option<(usize, Reason)> {
        match self {
            Self::Variant(variant) => Some((*variant, Reason::TargetingMatch)),
            Self::Split { by, seed, shares } => {
                let subject = match by {
                    SplitBy::TargetingKey => context.targeting_key,
                    SplitBy::Tenant => context.tenant,
                };
                let lot = draw(*seed, subject?);
                shares.iter().find(|(end, _)| lot < *end).map(|(_, variant)| (*variant, Reason::Split))
            }
        }
    }
}

struct Compiler<'d> {
    names: Vec<&'d str>,
    seed: u64,
    flaws: Vec<Flaw>,
}

impl Compiler<'_> {
    fn flaw(&mut self, pointer: &str, detail: impl Into<String>) {
        self.flaws.push(Flaw::at(pointer, detail));
    }

    fn variant(&mut self, pointer: &str, name: &str) -> Option<usize> {
        let found = self.names.iter().position(|known| *known == name);
        if found.is_none() {
            let known = self.names.join(", ");
            self.flaw(pointer, format!("`{name}` is no variant of this flag; it has: {known}"));
        }
        found
    }

    fn rule(&mut self, at: usize, def: &RuleDef) -> Option<Rule> {
        let pointer = format!("/rules/{at}");
        let mut when = Vec::new();
        for (index, condition) in def.when.iter().enumerate() {
            match Condition::compile(condition) {
                Ok(condition) => when.push(condition),
                Err(detail) => self.flaw(&format!("{pointer}/when/{index}"), detail),
            }
        }
        for (list, name) in [(&def.users, "users"), (&def.tenants, "tenants")] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                self.flaw(&format!("{pointer}/{name}"), "an empty list applies to nobody; name some or leave it out");
            }
        }
        let serve = match (&def.variant, &def.split) {
            (Some(name), None) => self.variant(&format!("{pointer}/variant"), name).map(Serve::Variant),
            (None, Some(shares)) => self.split(&format!("{pointer}/split"), shares, def.by),
            _ => {
                self.flaw(&pointer, "a rule serves either `variant` or `split`, and one of them is needed");
                None
            }
        };
        let texts = |list: &Option<Vec<String>>| list.as_ref().map(|list| Texts::new(list.iter().map(String::as_str)));
        Some(Rule { users: texts(&def.users), tenants: texts(&def.tenants), when: when.into(), serve: serve? })
    }

    fn split(&mut self, pointer: &str, shares: &[Share], by: SplitBy) -> Option<Serve> {
        let (mut end, mut ends) = (0, Vec::new());
        for (at, share) in shares.iter().enumerate() {
            let Some(lots) = lots(share.percent) else {
                self.flaw(&format!("{pointer}/{at}/percent"), "a share is 0 to 100 percent, with up to three decimals");
                return None;
            };
            end += lots;
            let variant = self.variant(&format!("{pointer}/{at}/variant"), &share.variant)?;
            ends.push((end, variant));
        }
        if end != LOTS {
            let sum = f64::from(end) / 1_000.0;
            self.flaw(pointer, format!("the shares add up to {sum} percent; they must add up to 100"));
            return None;
        }
        Some(Serve::Split { by, seed: self.seed, shares: ends.into() })
    }
}

/// A lot is a thousandth of a percent.
const LOTS: u32 = 100_000;

fn lots(percent: f64) -> Option<u32> {
    let exact = percent * 1_000.0;
    let whole = exact.round();
    let valid = (0.0..=f64::from(LOTS)).contains(&whole) && (exact - whole).abs() < 1e-6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 100,000")]
    valid.then_some(whole as u32)
}

/// The lot of a subject, from 0 to 99,999: the same for ever, and independent between salts.
///
/// FNV-1a of 64 bits over the salt, the byte 255 (which no UTF-8 text holds) and the subject, finished with the mixer of
/// `MurmurHash3`, and scaled down. A share serves the lots from where the one before it ends.
#[must_use]
pub fn bucket(salt: &str, subject: &str) -> u32 {
    draw(seed(salt), subject)
}

fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn seed(salt: &str) -> u64 {
    fnv1a(fnv1a(0xcbf2_9ce4_8422_2325, salt.as_bytes()), &[255])
}

fn draw(seed: u64, subject: &str) -> u32 {
    let mut hash = fnv1a(seed, subject.as_bytes());
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    #[expect(clippy::cast_possible_truncation, reason = "the product shifted by 64 is below 100,000")]
    let lot = ((u128::from(hash) * u128::from(LOTS)) >> 64) as u32;
    lot
}
