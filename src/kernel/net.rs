//! Addresses of the network: which of them the whole world shares, and networks of them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A network in CIDR notation, such as `192.0.2.0/24`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an address nor a network such as 192.0.2.0/24")]
pub struct ParseNetworkError;

/// The bits of an address, aligned to the left, and how many they are.
const fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(four) => ((four.to_bits() as u128) << 96, 32),
        IpAddr::V6(six) => (six.to_bits(), 128),
    }
}

const fn leading(bits: u128, prefix: u32) -> u128 {
    if prefix == 0 { 0 } else { bits >> (128 - prefix) }
}

impl Network {
    const fn four(a: u8, b: u8, c: u8, d: u8, prefix: u32) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn six(first: u16, second: u16, prefix: u32) -> Self {
        Self { base: IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), prefix }
    }

    /// Whether the address is in it. An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        let ((own, width), (other, others)) = (bits(self.base), bits(address.to_canonical()));
        width == others && leading(own, self.prefix) == leading(other, self.prefix)
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let width = bits(base).1;
        let prefix = match prefix {
            None => width,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= width).ok_or(ParseNetworkError)?
            }
            Some(_) => return Err(ParseNetworkError),
        };
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
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

    #[test]
    fn a_network_holds_its_addresses() {
        let network: Network = "10.1.0.0/16".parse().expect("a network");
        assert!(network.contains(address("10.1.255.1")) && network.contains(address("::ffff:10.1.0.1")));
        assert!(!network.contains(address("10.2.0.1")) && !network.contains(address("::1")));
        let all: Network = "::/0".parse().expect("a network");
        assert!(all.contains(address("2001:db8::1")) && !all.contains(address("10.0.0.1")));
        let one: Network = "127.0.0.1".parse().expect("a network");
        assert!(one.contains(address("127.0.0.1")) && !one.contains(address("127.0.0.2")));
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "x/8", "::/129"] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError), "{text}");
        }
    }
}
