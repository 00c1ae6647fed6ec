//! Passwords: what one must be, and Argon2id, which makes each guess cost time and memory.
//!
//! Parameters after OWASP's password storage cheat sheet: 19 MiB, two passes, one lane. Hashing runs on threads of its
//! own, and only so many at a time as there are processors: more at once would only take memory from everybody.

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash::phc::Salt,
};
use tokio::sync::Semaphore;

use super::Email;
use crate::kernel::seal::Random;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A password that somebody chose, and that may be used. `Debug` does not show it.
#[derive(Clone)]
pub struct NewPassword(String);

/// Why a password may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too few characters.
    #[error("at least {} characters", NewPassword::SHORTEST)]
    Short,
    /// Too many.
    #[error("at most {} characters", NewPassword::LONGEST)]
    Long,
    /// The account's address, or what stands before its @.
    #[error("not the e-mail address")]
    Email,
    /// Everybody's first guess.
    #[error("this is one of the most common passwords; choose another")]
    Common,
}

impl NewPassword {
    /// How many characters it has at least.
    pub const SHORTEST: usize = 8;
    /// How many it has at most.
    pub const LONGEST: usize = 256;

    /// The password that `text` is, for the account of `email`.
    pub fn choose(text: String, email: &Email) -> Result<Self, WeakPassword> {
        let characters = text.chars().count();
        if characters < Self::SHORTEST {
            return Err(WeakPassword::Short);
        }
        if characters > Self::LONGEST {
            return Err(WeakPassword::Long);
        }
        let folded = text.to_lowercase();
        if folded == email.as_str() || folded == email.local_part() {
            return Err(WeakPassword::Email);
        }
        let mut different = folded.chars().collect::<Vec<_>>();
        different.sort_unstable();
        different.dedup();
        if different.len() < 3 || COMMON.contains(&folded.as_str()) {
            return Err(WeakPassword::Common);
        }
        Ok(Self(text))
    }
}

impl NewPassword {
    /// The password that an account has already: rules that came later do not concern it.
    pub(super) const fn kept(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// Hashes and checks passwords; clones share the places.
#[derive(Debug, Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    random: Random,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether the password is right.
    pub right: bool,
    /// Whether its hash was made with other parameters than today's.
    pub outdated: bool,
}

/// Hashing failed: no memory, or the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashError(String);

/// Of no password. Checked where there is no account, so that this takes as long as where there is one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGxpdmVzIGhlcmU$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Passwords {
    /// Passwords whose salts come from `random`.
    #[must_use]
    pub fn new(random: Random) -> Self {
        let places = std::thread::available_parallelism().map_or(2, |processors| processors.get().clamp(1, 16));
        Self { places: Arc::new(Semaphore::new(places)), random }
    }

    /// The hash of a password, in PHC form.
    pub async fn hash(&self, password: NewPassword) -> Result<String, HashError> {
        let salt: [u8; 16] = self.random.bytes();
        self.on_a_thread(move || {
            let salt = Salt::new(&salt).map_err(told)?;
            let hash = hasher()?.hash_password_with_salt(password.0.as_bytes(), &salt).map_err(told)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one that `hash` was made of; with no hash it takes as long and is not.
    pub async fn check(&self, hash: Option<String>, password: String) -> Result<Checked, HashError> {
        self.on_a_thread(move || {
            let known = hash.is_some();
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(NOBODY)).map_err(told)?;
            let hasher = hasher()?;
            let right = hasher.verify_password(password.as_bytes(), &hash).is_ok() && known;
            let current = Params::try_from(&hash)
                .is_ok_and(|params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES));
            Ok(Checked { right, outdated: known && !current })
        })
        .await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(told)?;
        // The place stays taken until the thread is done, also when nobody waits for it any more.
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
        .map_err(told)?
    }
}

fn hasher() -> Result<Argon2<'static>, HashError> {
    Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
        .map_err(told)
}

fn told(error: impl fmt::Display) -> HashError {
    HashError(error.to_string())
}

/// The most used passwords of eight characters and more, in lower case, from what lists of leaked ones agree on.
const COMMON: &[&str] = &[
    "123456789",
    "12345678",
    "1234567890",
    "0123456789",
    "987654321",
    "9876543210",
    "0987654321",
    "123456789a",
    "a123456789",
    "12341234",
    "123123123",
    "12344321",
    "123454321",
    "147258369",
    "159753159",
    "789456123",
    "87654321",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "zaq12wsx",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qwertyuiop",
    "qwerty123",
    "qwerty12",
    "qwerty1234",
    "qwertyui",
    "qwer1234",
    "qwerqwer",
    "asdfghjkl",
    "asdfasdf",
    "asdf1234",
    "zxcvbnm123",
    "zxcvbnm1",
    "abcd1234",
    "abc12345",
    "abcdefgh",
    "abc123456",
    "a1b2c3d4",
    "aa123456",
    "a12345678",
    "password",
    "password1",
    "password12",
    "password123",
    "password1234",
    "password!",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "p@$$w0rd",
    "pa$$word",
    "passwort",
    "mypassword",
    "iloveyou",
    "iloveyou1",
    "iloveyou2",
    "ilovegod",
    "sunshine",
    "sunshine1",
    "princess",
    "princess1",
    "football",
    "football1",
    "baseball",
    "basketball",
    "superman",
    "superman1",
    "batman123",
    "spiderman",
    "pokemon1",
    "starwars",
    "whatever",
    "whatever1",
    "trustno1",
    "welcome1",
    "welcome123",
    "letmein1",
    "letmein123",
    "changeme",
    "changeme1",
    "changeme123",
    "computer",
    "internet",
    "samsung1",
    "liverpool",
    "chelsea1",
    "arsenal1",
    "barcelona",
    "jennifer",
    "michelle",
    "elizabeth",
    "alexander",
    "charlie1",
    "butterfly",
    "chocolate",
    "dragon123",
    "monkey123",
    "master123",
    "shadow123",
    "michael1",
    "jordan23",
    "admin123",
    "admin1234",
    "administrator",
    "root1234",
    "test1234",
    "testtest",
    "test12345",
    "guest123",
    "default1",
    "secret123",
    "hello123",
    "hellohello",
    "lovelove",
    "fuckyou1",
    "blink182",
    "november",
    "december",
    "summer2024",
    "summer2025",
    "winter2024",
    "winter2025",
    "asdfghjkl1",
    "1234qwer",
    "123qweasd",
    "123qwe123",
    "qweasdzxc",
    "q12345678",
    "11223344",
    "12121212",
    "10203040",
    "55555555a",
    "112233445566",
    "0192837465",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<(), WeakPassword> {
        let email = "ada.lovelace@example.com".parse().expect("an address");
        NewPassword::choose(text.to_owned(), &email).map(|_| ())
    }

    #[test]
    fn a_password_has_a_length_and_is_not_everybodys_guess() {
        for (text, outcome) in [
            ("correct horse", Ok(())),
            ("sieben7!", Ok(())),
            ("пароль-мой", Ok(())),
            ("sieben7", Err(WeakPassword::Short)),
            ("päßwört", Err(WeakPassword::Short)),
            (&"long ".repeat(52), Err(WeakPassword::Long)),
            ("Ada.Lovelace@example.com", Err(WeakPassword::Email)),
            ("ada.LOVELACE", Err(WeakPassword::Email)),
            ("PassWord1", Err(WeakPassword::Common)),
            ("11111111", Err(WeakPassword::Common)),
            ("abababab", Err(WeakPassword::Common)),
        ] {
            assert_eq!(choose(text), outcome, "{text}");
        }
    }

    #[test]
    fn the_longest_password_is_counted_in_characters() {
        let longest = "äöü ".repeat(64);
        assert_eq!(choose(&longest), Ok(()));
        assert_eq!(choose(&format!("{longest}!")), Err(WeakPassword::Long));
    }

    #[test]
    fn common_passwords_are_in_the_form_in_which_they_are_looked_for() {
        for word in COMMON {
            assert!(word.chars().count() >= NewPassword::SHORTEST && *word == word.to_lowercase(), "{word}");
        }
    }

    #[tokio::test]
    async fn a_password_is_right_or_not_and_nobodys_never_is() {
        let passwords = Passwords::new(Random::seeded(1));
        let chosen = NewPassword("correct horse".to_owned());
        let hash = passwords.hash(chosen.clone()).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(chosen).await.expect("hashed"), "each has a salt of its own");
        let check = async |hash: Option<&str>, password: &str| {
            passwords.check(hash.map(str::to_owned), password.to_owned()).await.expect("checked")
        };
        assert_eq!(check(Some(&hash), "correct horse").await, Checked { right: true, outdated: false });
        assert_eq!(check(Some(&hash), "correct Horse").await, Checked { right: false, outdated: false });
        assert_eq!(check(None, "correct horse").await, Checked { right: false, outdated: false });
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_right_and_outdated() {
        let params = Params::new(1024, 1, 1, None).expect("parameters");
        let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = old.hash_password_with_salt(b"correct horse", b"sixteen bytes!!!").expect("hashed").to_string();
        let checked = Passwords::new(Random::seeded(1)).check(Some(hash), "correct horse".to_owned()).await;
        assert_eq!(checked.expect("checked"), Checked { right: true, outdated: true });
    }
}
