//! Patterns of keys: `*` for any text, `?` for one character. Matching takes time in proportion to pattern
//! times text at the worst (one step back, no recursion).

/// The longest pattern, in bytes.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024;

/// A pattern.
#[derive(Debug, Clone)]
pub(crate) struct KeyPattern(Vec<char>);

impl KeyPattern {
    /// Takes a text that is not too long.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() <= PATTERN_BYTES_MAX).then(|| Self(text.chars().collect()))
    }

    /// What every match begins with.
    pub(crate) fn literal_prefix(&self) -> String {
        self.0.iter().take_while(|sign| !matches!(sign, '*' | '?')).collect()
    }

    /// Whether `text` has this form.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (mut rest, mut at) = (text.chars(), 0);
        // The last star, and what followed it when it was met: it may take one character more.
        let mut star: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let before = rest.clone();
            match (self.0.get(at), rest.next()) {
                (Some('*'), _) => {
                    at += 1;
                    star = Some((at, before.clone()));
                    rest = before;
                }
                (None, None) => return true,
                (Some(sign), Some(found)) if *sign == '?' || *sign == found => at += 1,
                _ => {
                    let Some((after, mut taken)) = star.take() else { return false };
                    if taken.next().is_none() {
                        return false;
                    }
                    at = after;
                    rest = taken.clone();
                    star = Some((after, taken));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match() {
        let cases = [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "abd", false),
            ("a?c", "aäc", true),
            ("a?c", "ac", false),
            ("*:b:*", "a:b:c", true),
            ("*ab", "aab", true),
            ("*ab", "aabc", false),
            ("a", "a", true),
            ("", "a", false),
            ("a**b", "ab", true),
            ("[a]", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(KeyPattern::parse(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = KeyPattern::parse(&"a*".repeat(500)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(499))));
    }

    #[test]
    fn the_beginning_is_known() {
        assert_eq!(KeyPattern::parse("user:*:x").unwrap().literal_prefix(), "user:");
    }
}
