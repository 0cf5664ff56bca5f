//! E-mail addresses as accounts are known by them: trimmed, in lower case, of a form that mail can be
//! sent to (RFC 5321 without quoted local parts and address literals).

use service_kit::error::{Classify, ErrorCode};

/// Bytes of an address (RFC 5321 §4.5.3.1.3, less the angle brackets), and of the part before the `@`.
const ADDRESS_BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`email` is not a valid e-mail address")]
pub struct InvalidEmail;

impl Classify for InvalidEmail {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidRequest
    }
}

/// A valid address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Normalises and checks.
    ///
    /// # Errors
    /// `InvalidEmail`.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = Self::normal(text);
        let Some((local, domain)) = text.rsplit_once('@') else { return Err(InvalidEmail) };
        let fits = text.len() <= ADDRESS_BYTES_MAX && local.len() <= LOCAL_BYTES_MAX;
        if fits && is_local(local) && is_domain(domain) { Ok(Self(text)) } else { Err(InvalidEmail) }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which any text is counted and looked up, an address or not.
    pub fn normal(text: &str) -> String {
        text.trim().to_lowercase()
    }
}

fn is_local(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    !text.is_empty() && text.chars().all(allowed) && text.split('.').all(|atom| !atom.is_empty())
}

fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| {
        let inside = label.chars().all(|c| c.is_alphanumeric() || c == '-');
        !label.is_empty() && inside && !label.starts_with('-') && !label.ends_with('-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_lowered() {
        let email = Email::parse("  Ada.Lovelace+x@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+x@example.com");
        assert!(Email::parse("root@localhost").is_ok());
        assert!(Email::parse("ü@münchen.de").is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@a.de", "x".repeat(65));
        let longer = format!("a@{}", "x.".repeat(127));
        for text in ["", "@", "a@", "@b", "a b@c", "a@b..c", "a@-b", "a\0@b", "a@b@c", &long, &longer] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }
}
