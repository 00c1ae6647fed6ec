//! Addresses of files elsewhere, and how a git host is asked for a file of a release.

use std::net::IpAddr;

use reqwest::Url;

use super::SourceProvider;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// At an address of the web.
    Plain(Url),
    /// A file that was attached to a GitHub release. Without a token it is at the address itself; with one GitHub's API
    /// is asked for the release, and then for the file by its number.
    GithubAsset {
        /// The address that browsers know.
        page: Url,
        /// Where the API tells of the release.
        release: Url,
        /// What the file is called there.
        file: String,
    },
    /// A file of GitHub's API, which answers with its content only if that is asked for.
    GithubApi(Url),
    /// The sources at a tag: with a token, GitHub's API gives them.
    GithubArchive {
        /// The address that browsers know.
        page: Url,
        /// Where the API gives them.
        archive: Url,
    },
}

/// Why a text is no address of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL.
    #[error("no address: write for example https://example.com/files/lamp.zip")]
    Malformed,
    /// `http:` and the rest.
    #[error("an address that begins with https://")]
    Scheme,
    /// A name and password in the address.
    #[error("without a name and password in it; give a `token` if one is needed")]
    Credentials,
    /// Too long.
    #[error("2000 characters at most")]
    TooLong,
    /// Not of a release.
    #[error(
        "a file of a release: …/OWNER/REPOSITORY/releases/download/TAG/FILE, …/releases/assets/NUMBER of the API, or \
         …/archive/TAG.zip"
    )]
    Github,
    /// Not of a release.
    #[error(
        "a file of a release: …/PROJECT/-/releases/TAG/downloads/FILE, …/-/archive/TAG/FILE, or …/api/v4/projects/…"
    )]
    Gitlab,
    /// Not of a release.
    #[error(
        "a file of a release: …/OWNER/REPOSITORY/releases/download/TAG/FILE, …/archive/FILE, or …/attachments/UUID"
    )]
    Gitea,
}

const LONGEST: usize = 2_000;

impl Address {
    /// Reads the address of a source. `http:` is taken only to an address of the network (no name), where that is
    /// allowed at all.
    pub fn parse(provider: SourceProvider, text: &str, allows_plain: bool) -> Result<Self, AddressError> {
        if text.len() > LONGEST {
            return Err(AddressError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
        check(&url, allows_plain)?;
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(AddressError::Malformed);
        }
        match provider {
            SourceProvider::Github => github(url).ok_or(AddressError::Github),
            SourceProvider::Gitlab => gitlab(url).ok_or(AddressError::Gitlab),
            SourceProvider::Gitea => gitea(url).ok_or(AddressError::Gitea),
            SourceProvider::Url | SourceProvider::Local | SourceProvider::S3 => Ok(Self::Plain(url)),
        }
    }

    /// Where browsers find it: what is asked for without a token.
    #[must_use]
    pub const fn page(&self) -> &Url {
        match self {
            Self::Plain(page)
            | Self::GithubApi(page)
            | Self::GithubAsset { page, .. }
            | Self::GithubArchive { page, .. } => page,
        }
    }
}

/// Whether an address may be asked at all; each one that an answer leads to is held to the same.
pub(super) fn check(url: &Url, allows_plain: bool) -> Result<(), AddressError> {
    let numeric = url.host_str().is_some_and(|host| ip(host).is_some());
    match url.scheme() {
        "https" => {}
        "http" if allows_plain && numeric => {}
        _ => return Err(AddressError::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    if url.host_str().is_none_or(str::is_empty) { Err(AddressError::Malformed) } else { Ok(()) }
}

/// The address that a host is, if it is not a name.
pub(super) fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn parts(url: &Url) -> Vec<&str> {
    url.path().trim_start_matches('/').split('/').collect()
}

fn at(url: &Url, path: &str) -> Url {
    let mut other = url.clone();
    other.set_path(path);
    other.set_query(None);
    other.set_fragment(None);
    other
}

fn github(url: Url) -> Option<Address> {
    let is_dot_com = url.host_str() == Some("github.com");
    let api = |path: &str| {
        if is_dot_com {
            Url::parse(&format!("https://api.github.com{path}")).ok()
        } else {
            Some(at(&url, &format!("/api/v3{path}")))
        }
    };
    let parts = parts(&url);
    match parts.as_slice() {
        // A tag may have slashes in it, a file may not.
        [owner, name, "releases", "download", tag @ .., file] if !tag.is_empty() && !file.is_empty() => {
            let release = api(&format!("/repos/{owner}/{name}/releases/tags/{}", tag.join("/")))?;
            Some(Address::GithubAsset { release, file: decoded(file), page: url.clone() })
        }
        [owner, name, "archive", tag @ .., file] => {
            let tag = tag.strip_prefix(&["refs", "tags"]).unwrap_or(tag);
            let (kind, last) = match (file.strip_suffix(".zip"), file.strip_suffix(".tar.gz")) {
                (Some(last), _) => ("zipball", last),
                (None, Some(last)) => ("tarball", last),
                (None, None) => return None,
            };
            let tag: Vec<&str> = tag.iter().copied().chain([last]).collect();
            let archive = api(&format!("/repos/{owner}/{name}/{kind}/refs/tags/{}", tag.join("/")))?;
            Some(Address::GithubArchive { archive, page: url.clone() })
        }
        ["repos", _, _, "releases", "assets", number] | ["api", "v3", "repos", _, _, "releases", "assets", number]
            if is_number(number) =>
        {
            Some(Address::GithubApi(url))
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn gitlab(url: Url) -> Option<Address> {
    let parts = parts(&url);
    let of_release = |rest: &[&str]| match rest {
        // A tag may have slashes in it, and so may a file's path.
        ["releases", _, more @ ..] => {
            more.iter().position(|part| *part == "downloads").is_some_and(|at| at + 1 < more.len())
        }
        ["archive", _, .., _] => true,
        _ => false,
    };
    let dash = parts.iter().position(|part| *part == "-").filter(|at| *at >= 2);
    let known = dash.is_some_and(|at| of_release(&parts[at + 1..]))
        || matches!(parts.as_slice(), ["api", "v4", "projects", _, _, ..]);
    known.then_some(Address::Plain(url))
}

fn gitea(url: Url) -> Option<Address> {
    let parts = parts(&url);
    let known = match parts.as_slice() {
        [_, _, "releases", "download", _, .., file] | [_, _, "archive", file] | ["attachments", file] => {
            !file.is_empty()
        }
        ["api", "v1", "repos", _, _, "releases", _, "assets", _] | ["api", "v1", "repos", _, _, "archive", _] => true,
        _ => false,
    };
    known.then_some(Address::Plain(url))
}

/// A part of a path as it was before it was written into an address.
fn decoded(part: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), part.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        if let Some(byte) = escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            bytes.push(byte);
            rest = &rest[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(provider: SourceProvider, text: &str) -> Result<Address, AddressError> {
        Address::parse(provider, text, false)
    }

    #[test]
    fn releases_are_known_by_their_shape() {
        use SourceProvider::{Gitea, Github, Gitlab};
        for (provider, text) in [
            (Github, "https://github.com/acme/lamp/releases/download/v1.0/lamp.zip"),
            (Github, "https://git.acme.example/acme/lamp/releases/download/v1/x/lamp.zip"),
            (Github, "https://api.github.com/repos/acme/lamp/releases/assets/42"),
            (Github, "https://github.com/acme/lamp/archive/refs/tags/v1.0.tar.gz"),
            (Github, "https://github.com/acme/lamp/archive/v1.0.zip"),
            (Gitlab, "https://gitlab.com/acme/group/lamp/-/releases/v1.0/downloads/bin/lamp.zip"),
            (Gitlab, "https://gitlab.com/acme/lamp/-/archive/v1.0/lamp-v1.0.zip"),
            (Gitlab, "https://gitlab.com/api/v4/projects/42/packages/generic/lamp/1.0/lamp.zip"),
            (Gitea, "https://codeberg.org/acme/lamp/releases/download/v1.0/lamp.zip"),
            (Gitea, "https://codeberg.org/acme/lamp/archive/v1.0.zip"),
            (Gitea, "https://codeberg.org/attachments/0b6c"),
        ] {
            parse(provider, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for (provider, text) in [
            (Github, "https://github.com/acme/lamp"),
            (Github, "https://github.com/acme/lamp/releases/download/lamp.zip"),
            (Github, "https://github.com/acme/lamp/archive/v1.0.rar"),
            (Github, "https://api.github.com/repos/acme/lamp/releases/assets/x"),
            (Gitlab, "https://gitlab.com/acme/lamp"),
            (Gitlab, "https://gitlab.com/-/releases/v1/downloads/x"),
            (Gitea, "https://codeberg.org/acme/lamp"),
        ] {
            assert!(parse(provider, text).is_err(), "{text}");
        }
    }

    #[test]
    fn githubs_api_is_asked_for_what_is_private() {
        let parsed = parse(SourceProvider::Github, "https://github.com/acme/lamp/releases/download/v1%2B2/a%20b.zip");
        let Ok(Address::GithubAsset { release, file, .. }) = parsed else { panic!("{parsed:?}") };
        assert_eq!(release.as_str(), "https://api.github.com/repos/acme/lamp/releases/tags/v1%2B2");
        assert_eq!(file, "a b.zip");
        let parsed = parse(SourceProvider::Github, "https://ghe.example/acme/lamp/archive/refs/tags/v1.zip");
        let Ok(Address::GithubArchive { archive, .. }) = parsed else { panic!("{parsed:?}") };
        assert_eq!(archive.as_str(), "https://ghe.example/api/v3/repos/acme/lamp/zipball/refs/tags/v1");
    }

    #[test]
    fn an_address_is_of_the_web_and_holds_no_password() {
        let url = |text: &str| parse(SourceProvider::Url, text);
        assert!(url("https://example.com/lamp.zip?x=1").is_ok());
        let long = format!("https://example.com/{}", "a".repeat(2_000));
        for (text, error) in [
            ("", AddressError::Malformed),
            ("lamp.zip", AddressError::Malformed),
            ("https://", AddressError::Malformed),
            ("http://example.com/", AddressError::Scheme),
            ("http://127.0.0.1/", AddressError::Scheme),
            ("ftp://example.com/", AddressError::Scheme),
            ("file:///etc/passwd", AddressError::Scheme),
            ("gopher://example.com/", AddressError::Scheme),
            ("https://ada:secret@example.com/", AddressError::Credentials),
            (" https://example.com/", AddressError::Malformed),
            (&long, AddressError::TooLong),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
        let plain = |text: &str| Address::parse(SourceProvider::Url, text, true);
        assert!(plain("http://127.0.0.1:8000/a").is_ok() && plain("http://[::1]/a").is_ok());
        assert_eq!(plain("http://localhost/a"), Err(AddressError::Scheme));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, path in "[a-z/.%0-9-]{0,40}") {
            for provider in SourceProvider::ALL {
                let _ = Address::parse(*provider, &text, true);
                let _ = Address::parse(*provider, &format!("https://github.com/{path}"), true);
            }
        }
    }
}
