//! Where mail goes, and who it is from.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{urls::hide_password, values::as_text};
use crate::kernel::Secret;

as_text!(SmtpUrl, Sender);

/// `smtp://` or `smtps://`. `Display` hides the password.
#[derive(Debug, Clone)]
pub struct SmtpUrl(Secret<String>);

impl SmtpUrl {
    /// The whole URL, password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for SmtpUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("smtps://").or_else(|| text.strip_prefix("smtp://"));
        let host = rest.map(|rest| rest.rsplit_once('@').map_or(rest, |(_, host)| host)).unwrap_or_default();
        if host.is_empty() || host.starts_with([':', '/', '?']) || text.contains(char::is_whitespace) {
            return Err("not a mail server; write \"smtps://USER:PASSWORD@HOST\" or \
                        \"smtp://USER:PASSWORD@HOST:587?tls=required\""
                .to_owned());
        }
        Ok(Self(Secret::new(text.to_owned())))
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hide_password(self.expose()))
    }
}

/// An address, maybe with a name before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(String);

impl Sender {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sender {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let address = match text.strip_suffix('>') {
            Some(rest) => rest.split_once('<').map(|(_, address)| address).unwrap_or_default(),
            None => text,
        };
        let odd = |c: char| c.is_control() || c.is_whitespace() || "<>,;:\"".contains(c);
        let fine = address
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
        if fine && !address.contains(odd) && !text.contains(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(r#"{text:?} is nobody's address; write "shop@example.com" or "Our shop <shop@example.com>""#))
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_written_as_a_url_and_its_password_is_hidden() {
        for text in
            ["smtp://localhost:25", "smtps://mail.example.com", "smtp://u:p%40ss@mail.example.com:587?tls=required"]
        {
            let url = text.parse::<SmtpUrl>().expect(text);
            assert_eq!(url.expose(), text);
            assert!(!format!("{url}{url:?}").contains("p%40ss"), "{url}");
        }
        for text in
            ["", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://u:p@", "smtp://a b", "smtp://:25"]
        {
            text.parse::<SmtpUrl>().expect_err(text);
        }
    }

    #[test]
    fn mails_come_from_an_address() {
        for text in ["shop@example.com", "Our shop <shop@example.com>", "Mintreu <shop@localhost>"] {
            assert_eq!(text.parse::<Sender>().expect(text).as_str(), text);
        }
        for text in ["", "shop", "Our shop <shop>", "a@b\r\nBcc: c@d", "a@b, c@d", "<a@b", "a@b@c"] {
            text.parse::<Sender>().expect_err(text);
        }
    }
}
