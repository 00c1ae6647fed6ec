//! What people type, as questions to the databases' full-text search.
//!
//! Only letters and digits reach the search: whatever else was typed parts words and means nothing.

/// Words that were typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<String>);

/// A question in one database's language, in the order of rank: a product is as good as the first that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// All words stand in the title as they were typed.
    pub exact_title: String,
    /// In the title, the last word perhaps unfinished.
    pub title: String,
    /// In the title or the short description.
    pub short: String,
    /// Anywhere.
    pub anywhere: String,
}

impl Words {
    const MOST: usize = 10;
    const LONGEST: usize = 50;

    /// The words of a text; the first ten.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        Self(words.take(Self::MOST).map(|word| word.to_lowercase().chars().take(Self::LONGEST).collect()).collect())
    }

    /// Whether nothing was typed that can be looked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For FTS5: <https://www.sqlite.org/fts5.html#full_text_query_syntax>.
    #[must_use]
    pub fn sqlite(&self) -> Questions {
        let all: Vec<String> = self.0.iter().map(|word| format!("\"{word}\"")).collect();
        let (exact, open) = (all.join(" "), format!("{} *", all.join(" ")));
        Questions {
            exact_title: format!("{{title}} : ({exact})"),
            title: format!("{{title}} : ({open})"),
            short: format!("{{title short_description}} : ({open})"),
            anywhere: open,
        }
    }

    /// For `to_tsquery`: <https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY>.
    #[must_use]
    pub fn postgres(&self) -> Questions {
        let ask = |suffix: &str, last: &str| {
            let count = self.0.len();
            let word = |(index, word): (usize, &String)| {
                let suffix = if index + 1 == count { last } else { suffix };
                if suffix.is_empty() { format!("'{word}'") } else { format!("'{word}':{suffix}") }
            };
            self.0.iter().enumerate().map(word).collect::<Vec<_>>().join(" & ")
        };
        Questions { exact_title: ask("A", "A"), title: ask("A", "*A"), short: ask("AB", "*AB"), anywhere: ask("", "*") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_words_and_nothing_else() {
        let words = Words::of("Night-lamp \"OR NEAR(x, 2)* title: ");
        assert_eq!(words.0, ["night", "lamp", "or", "near", "x", "2", "title"]);
        let words = Words::of("' & | ! :*");
        assert!(words.is_empty());
        assert_eq!(Words::of("a b").sqlite().title, "{title} : (\"a\" \"b\" *)");
        assert_eq!(Words::of("a b").postgres().short, "'a':AB & 'b':*AB");
    }

    proptest::proptest! {
        #[test]
        fn no_sign_of_the_search_language_gets_through(text: String) {
            for word in Words::of(&text).0 {
                proptest::prop_assert!(!word.is_empty());
                proptest::prop_assert!(!word.contains(['"', '\'', '\\', ':', '*', '&', '|', '!', '(', ')', '\0']));
            }
        }
    }
}
