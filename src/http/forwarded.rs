//! Whom a request comes from when proxies stand in front.
//!
//! Promise: nobody chooses the address that limits and the audit trail see. Anybody can send `X-Forwarded-For`, and each
//! proxy appends the address that it was called from; so the list is read from its end, and only as far as those who
//! wrote it are trusted.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::kernel::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the last that a trusted proxy wrote down and that is none itself; the connection's if no
/// trusted proxy stands there.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    let lines = headers.get_all(&FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for entry in entries {
        if !trusted(client) {
            break;
        }
        // What is no address was not written by a proxy that can be relied on: the last one that can be is told.
        let Some(address) = address(entry) else { break };
        client = address;
    }
    client.to_canonical()
}

/// An address as proxies write it: some add the port, and brackets for IPv6.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a header"));
        }
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().expect("a network")).collect();
        client(peer.parse().expect("an address"), &headers, &proxies).to_string()
    }

    #[test]
    fn the_list_is_read_from_its_end_as_far_as_its_writers_are_trusted() {
        let ours = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"];
        for (peer, lines, client) in [
            // Nobody in front, whatever is claimed.
            ("203.0.113.9", &["192.0.2.1"][..], "203.0.113.9"),
            ("203.0.113.9", &[], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            // The client wrote the first one itself.
            ("127.0.0.1", &["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.7", "192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.7", "192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            ("127.0.0.1", &["192.0.2.1,10.1.2.3 , 10.9.9.9"], "192.0.2.1"),
            // A machine of ours asks.
            ("127.0.0.1", &["10.1.2.3"], "10.1.2.3"),
            // With a port, with brackets, mapped.
            ("127.0.0.1", &["192.0.2.1:5555"], "192.0.2.1"),
            ("127.0.0.1", &["[2001:db9::1]:5555"], "2001:db9::1"),
            ("127.0.0.1", &["[2001:db9::1]"], "2001:db9::1"),
            ("2001:db8::5", &["2001:db9::1"], "2001:db9::1"),
            ("127.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            // Not an address: the last that is known.
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1, unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["192.0.2.1, "], "127.0.0.1"),
        ] {
            assert_eq!(seen(peer, lines, &ours), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn nobody_is_believed_unless_told() {
        assert_eq!(seen("127.0.0.1", &["192.0.2.1"], &[]), "127.0.0.1");
    }
}
