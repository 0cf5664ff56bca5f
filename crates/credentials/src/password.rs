//! Passwords as people type them. A password has no `Debug` and no `Serialize`.

use crate::error::PasswordError;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Characters of a new password, where nothing else is set.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// A password as somebody typed it.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// Takes what was typed.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn new(text: SecretString) -> Result<Self, PasswordError> {
        if text.expose_secret().len() > PASSWORD_BYTES_MAX {
            return Err(PasswordError::TooLong { bytes_max: PASSWORD_BYTES_MAX });
        }
        Ok(Self(text))
    }

    /// Whether it may become an account's password.
    ///
    /// # Errors
    /// `TooShort`.
    pub fn check_new(&self, chars_min: usize) -> Result<(), PasswordError> {
        let long_enough = self.0.expose_secret().chars().count() >= chars_min;
        if long_enough { Ok(()) } else { Err(PasswordError::TooShort { chars_min }) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl<'de> Deserialize<'de> for Password {
    /// Errors say nothing of the value: serde's own would repeat it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let serde_json::Value::String(text) = serde_json::Value::deserialize(deserializer)? else {
            return Err(de::Error::custom("`password` must be text"));
        };
        Self::new(SecretString::from(text)).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_a_wrong_type_or_length_is_not_repeated() {
        let long = format!("\"{}\"", "s3cret".repeat(200));
        for text in ["12345678", &long] {
            let error = serde_json::from_str::<Password>(text).err().unwrap().to_string();
            assert!(!error.contains("12345678") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_length_of_a_new_password_counts_characters() {
        let password = Password::new(SecretString::from("pässwört")).ok().unwrap();
        assert!(password.check_new(8).is_ok());
        assert!(matches!(password.check_new(9), Err(PasswordError::TooShort { chars_min: 9 })));
    }
}
