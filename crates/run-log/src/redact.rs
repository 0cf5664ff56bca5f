//! Redaction: the values of declared secrets are replaced in everything that is stored or sent on, and so
//! are the values of fields whose names say that they hold one.

mod fields;
mod schema;

pub(crate) use fields::{redact_fields, redact_value};
pub use schema::SecretFields;

use crate::line::cut_silently;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";
/// A shorter value is not looked for: it would be found in the middle of other words.
const SECRET_BYTES_MIN: usize = 4;
/// So much of a long secret is looked for; where it is found, the rest goes as far as it is there.
const PATTERN_BYTES_MAX: usize = 1_024;

/// Replaces the values of secrets, as they are and as they look inside JSON and URLs. Holds secrets: it can
/// neither be printed nor serialized.
#[derive(Default)]
pub struct Redactor {
    current: Vec<SecretString>,
    before: Vec<SecretString>,
    /// What is looked for; the patterns of `search` are their beginnings.
    forms: Vec<SecretString>,
    search: Option<AhoCorasick>,
}

impl Redactor {
    /// Replaces these values. Values under 4 bytes are left out.
    pub fn new(secrets: Vec<SecretString>) -> Self {
        Self::of(secrets, Vec::new())
    }

    fn of(current: Vec<SecretString>, before: Vec<SecretString>) -> Self {
        let values = current.iter().chain(&before).map(|secret| secret.expose_secret());
        let forms: BTreeSet<String> = values.flat_map(forms_of).collect();
        let forms: Vec<SecretString> = forms.into_iter().map(SecretString::from).collect();
        let patterns = forms.iter().map(|form| {
            let bytes = form.expose_secret().as_bytes();
            &bytes[..bytes.len().min(PATTERN_BYTES_MAX)]
        });
        let search = AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostLongest).build(patterns);
        // It fails beyond 2 GiB of patterns only.
        let search = search.ok().filter(|_| !forms.is_empty());
        Self { current, before, forms, search }
    }

    /// The same with other secrets; those of now are looked for as well. None where nothing changes.
    pub(crate) fn next(&self, secrets: Vec<SecretString>) -> Option<Self> {
        let texts = |secrets: &[SecretString]| {
            secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect::<BTreeSet<_>>()
        };
        (texts(&secrets) != texts(&self.current)).then(|| Self::of(secrets, self.current.clone()))
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_empty() && self.before.is_empty()
    }

    /// `text` without secrets.
    pub fn redact(&self, text: &mut String) {
        self.redact_and_cut(text, usize::MAX);
    }

    /// Replaces secrets, and keeps what stands in the first `bytes_max` bytes. Secrets are looked for beyond
    /// them, so that none is cut in two; returns how many bytes of the text are missing.
    pub(crate) fn redact_and_cut(&self, text: &mut String, bytes_max: usize) -> usize {
        let Some(search) = &self.search else { return cut_silently(text, bytes_max) };
        let kept_to = text.floor_char_boundary(bytes_max.min(text.len()));
        let (mut clean, mut at) = (String::new(), 0);
        while let Some(found) = search.find(&text[at..]) {
            let start = at + found.start();
            if start >= kept_to {
                break;
            }
            clean.push_str(&text[at..start]);
            clean.push_str(REDACTED);
            let form = &self.forms[found.pattern().as_usize()];
            at = start + shared_beginning(&text[start..], form.expose_secret());
        }
        let missing = text.len() - kept_to;
        if at == 0 && clean.is_empty() {
            text.truncate(kept_to);
            return missing;
        }
        clean.push_str(text.get(at..kept_to).unwrap_or_default());
        *text = clean;
        missing
    }
}

/// Bytes that both begin with, up to a character boundary.
fn shared_beginning(text: &str, secret: &str) -> usize {
    let shared = text.bytes().zip(secret.bytes()).take_while(|(left, right)| left == right).count();
    text.floor_char_boundary(shared)
}

/// How a secret may look: as it is, inside a JSON string, inside a URL.
fn forms_of(secret: &str) -> Vec<String> {
    if secret.len() < SECRET_BYTES_MIN {
        return Vec::new();
    }
    let json = serde_json::Value::from(secret).to_string();
    let in_json = json[1..json.len() - 1].to_owned();
    vec![secret.to_owned(), in_json, percent_encoded(secret)]
}

/// As `encodeURIComponent` writes it.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redacted(secrets: &[&str], text: &str) -> String {
        let mut text = text.to_owned();
        Redactor::new(secrets.iter().copied().map(SecretString::from).collect()).redact(&mut text);
        text
    }

    #[test]
    fn secrets_are_replaced_in_all_their_forms() {
        let secret = "pa\"ss/wörd";
        let json = serde_json::json!({ "key": secret }).to_string();
        assert_eq!(redacted(&[secret], &json), r#"{"key":"[redacted]"}"#);
        assert_eq!(redacted(&[secret], "?k=pa%22ss%2Fw%C3%B6rd&x"), "?k=[redacted]&x");
        assert_eq!(redacted(&[secret], &format!("<{secret}{secret}>")), "<[redacted][redacted]>");
        assert_eq!(redacted(&["abcd", "abcdef"], "abcdefg"), "[redacted]g");
    }

    #[test]
    fn values_too_short_to_be_secrets_are_left_alone() {
        assert_eq!(redacted(&["a", "", "abc"], "abcabc"), "abcabc");
    }

    #[test]
    fn a_secret_that_crosses_the_cut_is_replaced() {
        let redactor = Redactor::new(vec!["0123456789".into()]);
        let mut text = "aaaa0123456789bbbb".to_owned();
        assert_eq!(redactor.redact_and_cut(&mut text, 8), 10);
        assert_eq!(text, "aaaa[redacted]");
    }

    #[test]
    fn what_is_there_of_a_very_long_secret_goes() {
        let secret: String = (0..2_000).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
        assert_eq!(redacted(&[&secret], &format!("<{}", &secret[..1_500])), "<[redacted]");
    }

    #[test]
    fn secrets_of_before_are_looked_for_until_the_next_change() {
        let first = Redactor::new(vec!["first-secret".into()]);
        let second = first.next(vec!["second-secret".into()]).unwrap();
        assert!(second.next(vec!["second-secret".into()]).is_none());
        let mut text = "first-secret second-secret".to_owned();
        second.redact(&mut text);
        assert_eq!(text, "[redacted] [redacted]");
    }

    proptest! {
        #[test]
        fn no_secret_is_left(
            secrets in prop::collection::vec("[a-cä]{4,6}", 1..4), mut clean in "[a-cä ]{0,60}",
            bytes_max in 0_usize..80,
        ) {
            let redactor = Redactor::new(secrets.iter().map(|secret| secret.clone().into()).collect());
            redactor.redact_and_cut(&mut clean, bytes_max);
            for part in clean.split(REDACTED) {
                for secret in &secrets {
                    prop_assert!(!part.contains(secret.as_str()), "{clean}");
                }
            }
        }
    }
}
