//! Regular expressions of `$regex`, compiled once. Matching takes linear time; look-around and back
//! references, which cannot be had then, are refused.
//!
//! What else differs from MongoDB's PCRE: `\d`, `\w`, `\s` and `\b` know all of Unicode, and `$` without the
//! option `m` is the very end, not also the place before a last line feed.

use crate::error::EngineError;
use bson::RawBsonRef;
use regex_syntax::hir::{Hir, HirKind, Look};

/// Patterns of one filter, one projection or one update.
const PATTERNS_MAX: usize = 16;
/// Bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 4 * 1024;
/// Bytes of one compiled pattern.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that a pattern caches while it matches, for each thread that does.
const CACHE_BYTES_MAX: usize = 256 * 1024;
/// Levels of nesting in a pattern.
const NESTING_MAX: u32 = 50;
/// Those of MongoDB; `u` says what is always so.
const OPTIONS: &str = "imsxu";

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: regex::Regex,
    pattern: String,
    options: String,
}

/// The patterns of a filter, a projection or an update: counted, since each may take much memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Patterns {
    compiled: usize,
}

fn invalid(text: String) -> EngineError {
    EngineError::InvalidQuery(text)
}

impl Patterns {
    /// Compiles one more.
    pub(crate) fn compile(&mut self, pattern: &str, options: &str) -> Result<Pattern, EngineError> {
        if self.compiled == PATTERNS_MAX {
            return Err(invalid(format!("there are {PATTERNS_MAX} regular expressions at the most")));
        }
        self.compiled += 1;
        Pattern::new(pattern, options)
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.compiled
    }
}

impl Pattern {
    /// Compiles a pattern with the options `i`, `m`, `s`, `x`.
    fn new(pattern: &str, options: &str) -> Result<Self, EngineError> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(invalid(format!("a regular expression has {PATTERN_BYTES_MAX} bytes at the most")));
        }
        if let Some(unknown) = options.chars().find(|option| !OPTIONS.contains(*option)) {
            return Err(invalid(format!(
                "unknown option `{unknown}` of a regular expression; known are i m s x"
            )));
        }
        let regex = regex::RegexBuilder::new(pattern)
            .case_insensitive(options.contains('i'))
            .multi_line(options.contains('m'))
            .dot_matches_new_line(options.contains('s'))
            .ignore_whitespace(options.contains('x'))
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(|error| refused(pattern, &error))?;
        Ok(Self { regex, pattern: pattern.to_owned(), options: options.to_owned() })
    }

    /// Whether a value is text that matches, or the same regular expression.
    pub(crate) fn matches(&self, value: RawBsonRef<'_>) -> bool {
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => self.regex.is_match(text),
            RawBsonRef::RegularExpression(own) => {
                own.pattern.as_str() == self.pattern && own.options.as_str() == self.options
            }
            _ => false,
        }
    }

    /// Whether text matches.
    pub(crate) fn matches_text(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// What every text that matches begins with: `^abc` has one, as long as case counts. A value that is
    /// the same regular expression matches all the same.
    pub(crate) fn prefix(&self) -> Option<String> {
        let parsed = regex_syntax::ParserBuilder::new()
            .case_insensitive(self.options.contains('i'))
            .multi_line(self.options.contains('m'))
            .dot_matches_new_line(self.options.contains('s'))
            .ignore_whitespace(self.options.contains('x'))
            .nest_limit(NESTING_MAX)
            .build()
            .parse(&self.pattern)
            .ok()?;
        literal_prefix(&parsed)
    }
}

fn literal_prefix(parsed: &Hir) -> Option<String> {
    let HirKind::Concat(parts) = parsed.kind() else { return None };
    match (parts[0].kind(), parts[1].kind()) {
        (HirKind::Look(Look::Start), HirKind::Literal(literal)) => {
            std::str::from_utf8(&literal.0).ok().map(str::to_owned)
        }
        _ => None,
    }
}

fn refused(pattern: &str, error: &regex::Error) -> EngineError {
    let reason = match error {
        regex::Error::CompiledTooBig(_) => {
            format!("it takes more than {COMPILED_BYTES_MAX} bytes when compiled")
        }
        // The message of a syntax error shows the pattern in several lines; the last says what is wrong.
        other => {
            other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    };
    invalid(format!("the regular expression `{pattern}` is refused: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_known_where_text_has_to_begin_with_it() {
        let prefix = |pattern: &str, options: &str| Pattern::new(pattern, options).unwrap().prefix();
        assert_eq!(prefix("^abc", ""), Some("abc".to_owned()));
        assert_eq!(prefix(r"^a\.b.*z$", ""), Some("a.b".to_owned()));
        assert_eq!(prefix("^ab*", ""), Some("a".to_owned()));
        assert_eq!(prefix(r"\Aäb", ""), Some("äb".to_owned()));
        for (pattern, options) in
            [("abc", ""), ("^abc", "i"), ("^abc", "m"), ("^a|^b", ""), ("^(?i)abc", ""), ("^", "")]
        {
            assert_eq!(prefix(pattern, options), None, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_matched_in_linear_time_is_refused() {
        let long = "x".repeat(5_000);
        for pattern in ["(?=a)b", r"(a)\1", "(?<!a)b", "(", r"(\w{500}){500}", &long] {
            let error = Pattern::new(pattern, "").unwrap_err();
            assert!(matches!(&error, EngineError::InvalidQuery(text) if text.len() < 5_200), "{error}");
        }
        assert!(Pattern::new("a", "q").unwrap_err().to_string().contains("unknown option `q`"));
    }
}
