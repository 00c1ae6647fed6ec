//! Where a licence may be used: rules for domains and addresses, parsed once and matched in memory.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

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
    /// Not an address or network.
    #[error("expected an address such as `192.0.2.1` or `2001:db8::1`, or a network such as `192.0.2.0/24`")]
    Ip,
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

/// An address or a network: how many leading bits have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRule {
    network: IpAddr,
    prefix: u8,
}

const fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (address.to_bits() as u128, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn masked(value: u128, width: u8, prefix: u8) -> u128 {
    let dropped = u32::from(width - prefix);
    value.checked_shr(dropped).unwrap_or(0).checked_shl(dropped).unwrap_or(0)
}

impl IpRule {
    /// Whether an address is allowed by it. An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let ((network, width), (value, other)) = (bits(self.network), bits(address.to_canonical()));
        width == other && masked(value, width, self.prefix) == network
    }
}

impl FromStr for IpRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| RuleError::Ip)?;
        let (_, width) = bits(address);
        let prefix = match prefix {
            Some(text) if text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|prefix| *prefix <= width).ok_or(RuleError::Ip)?
            }
            Some(_) => return Err(RuleError::Ip),
            None => width,
        };
        // Mapped addresses are matched as what they map.
        let (address, prefix) = match address {
            IpAddr::V6(six) if six.to_ipv4_mapped().is_some() && prefix >= 96 => (address.to_canonical(), prefix - 96),
            other => (other, prefix),
        };
        let (value, width) = bits(address);
        let value = masked(value, width, prefix);
        let network = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(value).unwrap_or(0))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(value)),
        };
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for IpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, width) = bits(self.network);
        if self.prefix == width { write!(f, "{}", self.network) } else { write!(f, "{}/{}", self.network, self.prefix) }
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

    #[test]
    fn addresses_match_as_the_table_says() {
        for (rule, address, allowed) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.0/120", "192.0.2.77", true),
            ("192.0.2.77/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::/0", "192.0.2.1", false),
        ] {
            let parsed: IpRule = rule.parse().expect("a rule");
            assert_eq!(parsed.allows(address.parse().expect("an address")), allowed, "{rule} {address}");
        }
    }

    #[test]
    fn other_texts_are_no_address_rules() {
        for text in
            ["", "192.0.2", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/-1", "192.0.2.1/+8", "::1/129", "a", "1/2/3"]
        {
            assert_eq!(text.parse::<IpRule>(), Err(RuleError::Ip), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_rule_is_read_back_from_its_text(value: u128, four: bool, prefix in 0_u8..=128) {
            let address = if four {
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(value >> 96).expect("32 bits")))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(value))
            };
            let prefix = if four { prefix % 33 } else { prefix };
            let rule: IpRule = format!("{address}/{prefix}").parse().expect("a rule");
            prop_assert!(rule.allows(address));
            prop_assert_eq!(rule.to_string().parse(), Ok(rule));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<DomainRule>();
            let _ = text.parse::<IpRule>();
            let _ = text.parse::<Domain>();
        }
    }
}
