//! Networks: addresses that belong together.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an address such as `192.0.2.1` or `2001:db8::1`, or a network such as `192.0.2.0/24`")]
pub struct NotANetwork;

/// An address or a network: how many leading bits have to agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
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

impl Network {
    /// Whether it is no network but all addresses of its kind.
    #[must_use]
    pub const fn is_everywhere(&self) -> bool {
        self.prefix == 0
    }

    /// Whether an address is in it. An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((network, width), (value, other)) = (bits(self.network), bits(address.to_canonical()));
        width == other && masked(value, width, self.prefix) == network
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let (_, width) = bits(address);
        let prefix = match prefix {
            Some(text) if text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|prefix| *prefix <= width).ok_or(NotANetwork)?
            }
            Some(_) => return Err(NotANetwork),
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

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, width) = bits(self.network);
        if self.prefix == width { write!(f, "{}", self.network) } else { write!(f, "{}/{}", self.network, self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            let parsed: Network = rule.parse().expect("a network");
            assert_eq!(parsed.contains(address.parse().expect("an address")), allowed, "{rule} {address}");
        }
    }

    #[test]
    fn other_texts_are_no_networks() {
        for text in
            ["", "192.0.2", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/-1", "192.0.2.1/+8", "::1/129", "a", "1/2/3"]
        {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_network_is_read_back_from_its_text(value: u128, four: bool, prefix in 0_u8..=128) {
            let address = if four {
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(value >> 96).expect("32 bits")))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(value))
            };
            let prefix = if four { prefix % 33 } else { prefix };
            let network: Network = format!("{address}/{prefix}").parse().expect("a network");
            prop_assert!(network.contains(address));
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<Network>();
        }
    }
}
