//! Where a licence may be used: rules for domains, parsed once and matched in memory. Those for addresses are
//! [networks](crate::kernel::Network).

use std::{fmt, str::FromStr};

/// The most rules of one kind that a licence can have.
pub const MAX_RULES: usize = 100;

/// Why a text is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a host's name.
    #[error(
        "expected a host name such as `example.com`, or `*.example.com` for all below it; other scripts in their ASCII form, `xn--…`"
    )]
    Domain,
}

/// A host's name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = RuleError;

    /// Reads `Example.com`, also with a port or a final dot, as programs know their own host.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        let host = match text.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => text,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        if is_host(host) { Ok(Self(host.to_ascii_lowercase())) } else { Err(RuleError::Domain) }
    }
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// `example.com`, that host alone; or `*.example.com`, every host below it but not itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainRule {
    /// This host.
    Exactly(Domain),
    /// Whatever ends with a dot and this.
    Below(Domain),
}

impl DomainRule {
    /// Whether a host is allowed by it.
    #[must_use]
    pub fn allows(&self, host: &Domain) -> bool {
        match self {
            Self::Exactly(domain) => domain == host,
            Self::Below(domain) => host
                .0
                .strip_suffix(&domain.0)
                .and_then(|front| front.strip_suffix('.'))
                .is_some_and(|it| !it.is_empty()),
        }
    }
}

impl FromStr for DomainRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        // In a rule a port would mean something that is not meant.
        if text.contains(':') {
            return Err(RuleError::Domain);
        }
        match text.trim().strip_prefix("*.") {
            // Below a whole top-level domain is everywhere.
            Some(rest) if rest.trim_end_matches('.').contains('.') => rest.parse().map(Self::Below),
            Some(_) => Err(RuleError::Domain),
            None => text.parse().map(Self::Exactly),
        }
    }
}

impl fmt::Display for DomainRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(domain) => f.write_str(&domain.0),
            Self::Below(domain) => write!(f, "*.{}", domain.0),
        }
    }
}

/// The rules in a stored list; none if this program cannot read it: then nothing is allowed, rather than everything.
pub(super) fn stored<R: FromStr>(list: &str) -> Option<Box<[R]>> {
    let texts: Vec<String> = serde_json::from_str(list).ok()?;
    texts.iter().map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn domains_match_as_the_table_says() {
        for (rule, host, allowed) in [
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com.", true),
            ("example.com", "example.com:8443", true),
            ("example.com", "www.example.com", false),
            ("example.com", "badexample.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("*.example.com", "www.example.com.evil.org", false),
            ("localhost", "localhost:3000", true),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", true),
        ] {
            let (rule, host): (DomainRule, Domain) = (rule.parse().expect("a rule"), host.parse().expect("a host"));
            assert_eq!(rule.allows(&host), allowed, "{rule} {host:?}");
        }
    }

    #[test]
    fn other_texts_are_no_domain_rules() {
        let long = format!("{}.com", "a".repeat(64));
        for text in [
            "",
            " ",
            ".",
            "*",
            "*.",
            "*.com",
            "*.*.example.com",
            "a..b",
            "-a.com",
            "a-.com",
            "a b.com",
            "ex*mple.com",
            "bücher.example",
            "https://example.com",
            "example.com/path",
            "example.com:80",
            "a\0b.com",
            &long,
            &"a.".repeat(200),
        ] {
            assert_eq!(text.parse::<DomainRule>(), Err(RuleError::Domain), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<DomainRule>();
            let _ = text.parse::<Domain>();
        }
    }
}
