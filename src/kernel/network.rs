//! Networks: addresses that belong together, and which of them the whole world shares.

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
    const fn four(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn six(first: u16, second: u16, prefix: u8) -> Self {
        Self { network: IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), prefix }
    }

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

/// What is not for everybody: [IANA's special-purpose registry](https://www.iana.org/assignments/iana-ipv4-special-registry).
const SPECIAL_FOUR: [Network; 16] = [
    Network::four(0, 0, 0, 0, 8),
    Network::four(10, 0, 0, 0, 8),
    Network::four(100, 64, 0, 0, 10),
    Network::four(127, 0, 0, 0, 8),
    // Link-local, where clouds answer with their machines' credentials.
    Network::four(169, 254, 0, 0, 16),
    Network::four(172, 16, 0, 0, 12),
    Network::four(192, 0, 0, 0, 24),
    Network::four(192, 0, 2, 0, 24),
    Network::four(192, 88, 99, 0, 24),
    Network::four(192, 168, 0, 0, 16),
    Network::four(198, 18, 0, 0, 15),
    Network::four(198, 51, 100, 0, 24),
    Network::four(203, 0, 113, 0, 24),
    Network::four(224, 0, 0, 0, 4),
    Network::four(240, 0, 0, 0, 4),
    Network::four(255, 255, 255, 255, 32),
];

/// Of IPv6 only `2000::/3` is for everybody, and of that not these: protocols' own, documentation, and 6to4, which carries
/// an IPv4 address.
const GLOBAL_SIX: Network = Network::six(0x2000, 0, 3);
const SPECIAL_SIX: [Network; 4] = [
    Network::six(0x2001, 0, 23),
    Network::six(0x2001, 0x0db8, 32),
    Network::six(0x2002, 0, 16),
    Network::six(0x3fff, 0, 20),
];

/// Whether an address is one of the public Internet: not this machine, not a private network, not a cloud's own.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        four @ IpAddr::V4(_) => !SPECIAL_FOUR.iter().any(|network| network.contains(four)),
        six @ IpAddr::V6(_) => GLOBAL_SIX.contains(six) && !SPECIAL_SIX.iter().any(|network| network.contains(six)),
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

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_what_the_world_shares_is_public() {
        for text in ["1.1.1.1", "9.255.255.255", "100.63.255.255", "172.15.0.1", "172.32.0.1", "192.0.3.1", "223.1.1.1"]
        {
            assert!(is_public(address(text)), "{text}");
        }
        assert!(is_public(address("2606:4700::1111")) && is_public(address("::ffff:1.1.1.1")));
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.9.9",
            "192.168.1.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "3fff::1",
            "4000::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }
}
