//! Secrets that people copy: 256 random bits in base64url (RFC 4648 §5), 43 characters.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use service_kit::secret::NoRandomness;

/// Characters after the prefix.
const CHARS: usize = 43;

/// A new secret after `prefix`.
pub(crate) fn generate(prefix: &str) -> Result<SecretString, NoRandomness> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// Whether `text` has the form of such a secret: what has not need not be looked up.
pub(crate) fn is_formed(prefix: &str, text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == CHARS && rest.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn secrets_differ_and_have_their_form() {
        let (a, b) = (generate("bb_").unwrap(), generate("bb_").unwrap());
        assert_ne!(a.expose_secret(), b.expose_secret());
        assert!(is_formed("bb_", a.expose_secret()));
        for text in ["", "bb_", &a.expose_secret()[1..], &format!("{}x", a.expose_secret())] {
            assert!(!is_formed("bb_", text), "{text}");
        }
        assert!(!is_formed("bb_", &a.expose_secret().replace(&a.expose_secret()[5..6], "ü")));
    }
}
