//! Where things are: the site, the database, Redis. Passwords are hidden from every listing and error.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::values::as_text;
use crate::kernel::Secret;

as_text!(DatabaseUrl, PublicUrl, RedisUrl);

/// `http://` or `https://`, host, maybe port and path; no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// How a shop that listens there is reached from the same machine.
    #[must_use]
    pub fn of_listener(listen: SocketAddr) -> Self {
        let host: IpAddr = match listen.ip() {
            IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            other => other,
        };
        Self(format!("http://{}", SocketAddr::new(host, listen.port())))
    }

    /// The URL, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether customers reach it over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl FromStr for PublicUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        let port_is_fine = match host.strip_prefix('[').map_or_else(|| host.split_once(':'), |six| six.split_once("]:"))
        {
            Some((name, port)) => !name.is_empty() && port.parse::<u16>().is_ok(),
            None => !host.is_empty() && !host.contains('[') || host.ends_with(']'),
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "?#@\\\"<>".contains(c);
        if port_is_fine && !rest.contains(odd) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(r#"{text:?} is not the URL of a site; write for example "https://shop.example.com""#))
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the data is. `Display` hides the password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(Secret<String>);

impl DatabaseUrl {
    /// The whole URL, password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The file of a SQLite database, as written: relative to the working directory.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<&Path> {
        self.expose().strip_prefix("sqlite://").map(Path::new)
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = r#"write "sqlite://FILE" or "postgres://USER:PASSWORD@HOST/NAME""#;
        let (scheme, rest) = text.split_once(':').ok_or_else(|| format!("not the URL of a database; {FORM}"))?;
        match (scheme, rest.strip_prefix("//")) {
            ("sqlite", Some(file)) if file.contains(['?', '#']) => {
                Err("sqlite:// takes a file and no parameters; every setting is a key of its own".to_owned())
            }
            ("sqlite", Some("" | ":memory:") | None) => {
                Err(r#"names no file; write for example "sqlite://var/mintreu.db", or "sqlite:///srv/mintreu.db""#
                    .to_owned())
            }
            ("sqlite", Some(_)) => Ok(Self(Secret::new(text.to_owned()))),
            ("postgres" | "postgresql", Some(rest)) if !rest.is_empty() && !rest.contains(char::is_whitespace) => {
                Ok(Self(Secret::new(text.to_owned())))
            }
            ("postgres" | "postgresql", _) => Err(format!("names no PostgreSQL server; {FORM}")),
            _ => Err(format!("{scheme:?} is not a kind of database that is known here; {FORM}")),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hide_password(self.expose()))
    }
}

/// `redis://` or `rediss://`. `Display` hides the password.
#[derive(Debug, Clone)]
pub struct RedisUrl(Secret<String>);

impl RedisUrl {
    /// The whole URL, password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for RedisUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://")).unwrap_or_default();
        if rest.is_empty() || rest.contains(char::is_whitespace) {
            Err(r#"not the URL of a Redis server; write for example "redis://127.0.0.1:6379", or "" for none"#
                .to_owned())
        } else {
            Ok(Self(Secret::new(text.to_owned())))
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hide_password(self.expose()))
    }
}

/// The URL with `***` for its password, whether it stands before the host or among the parameters.
pub(super) fn hide_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (address, parameters) = rest.split_once('?').map_or((rest, None), |(a, p)| (a, Some(p)));
    let address = match address.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => address.to_owned(),
        },
        None => address.to_owned(),
    };
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let parameters = parameters.map_or_else(String::new, |parameters| {
        format!("?{}", parameters.split('&').map(hide).collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{address}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_a_scheme_and_a_host() {
        for text in ["https://shop.example.com", "http://127.0.0.1:8080", "https://[::1]:8443/shop", "https://[::1]"] {
            assert_eq!(text.parse::<PublicUrl>().expect(text).as_str(), text);
        }
        assert_eq!("https://a.example/".parse::<PublicUrl>().expect("fine").as_str(), "https://a.example");
        for text in [
            "",
            "shop.example.com",
            "ftp://a",
            "https://",
            "https://:80",
            "https://a:b",
            "https://a b",
            "https://u@a",
            "https://a/?q",
        ] {
            text.parse::<PublicUrl>().expect_err(text);
        }
    }

    #[test]
    fn a_database_url_names_a_file_or_a_server() {
        for text in ["sqlite://var/m.db", "sqlite:///srv/m.db", "postgres://u:p@h/n", "postgresql:///n?host=/run"] {
            text.parse::<DatabaseUrl>().expect(text);
        }
        for text in [
            "",
            "var/m.db",
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://a?mode=ro",
            "mysql://h/n",
            "postgres:",
            "postgres://",
        ] {
            text.parse::<DatabaseUrl>().expect_err(text);
        }
        let file: DatabaseUrl = "sqlite://var/m.db".parse().expect("valid");
        assert_eq!(file.sqlite_file(), Some(Path::new("var/m.db")));
    }

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (url, hidden) in [
            ("postgres://u:p@ss@h/n", "postgres://u:***@h/n"),
            ("postgres://u@h/n?password=p&sslmode=require", "postgres://u@h/n?password=***&sslmode=require"),
            ("sqlite://var/m.db", "sqlite://var/m.db"),
        ] {
            let url: DatabaseUrl = url.parse().expect("valid");
            assert_eq!(url.to_string(), hidden);
            assert!(!format!("{url:?}").contains("p@"));
        }
        "mysql://u:hunter2@h/n"
            .parse::<DatabaseUrl>()
            .map_err(|error| assert!(!error.contains("hunter2")))
            .expect_err("unknown");
    }
}
