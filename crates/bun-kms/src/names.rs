//! Names of secrets and keys. A name stands in paths, so that what a path would change is refused.

use crate::error::OperationError;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 256;
/// What a name of a secret may have besides letters and digits.
const SECRET_MARKS: &[u8] = b"._/-";
/// The same for a key: no `/`, because operations follow the name in the path.
const KEY_MARKS: &[u8] = b"._-";

/// A valid name of a secret: `[A-Za-z0-9._/-]{1,256}`, no segment empty, `.` or `..`.
///
/// # Errors
/// `InvalidName`.
pub(crate) fn secret(name: &str) -> Result<&str, OperationError> {
    let segments = name.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if segments && fits(name, SECRET_MARKS) {
        return Ok(name);
    }
    Err(OperationError::InvalidName(
        "the name of a secret has 1 to 256 of A-Z a-z 0-9 . _ / -, and no part between slashes is empty, `.` \
         or `..`",
    ))
}

/// A valid name of a key: `[A-Za-z0-9._-]{1,256}`, not `.` or `..`.
///
/// # Errors
/// `InvalidName`.
pub(crate) fn key(name: &str) -> Result<&str, OperationError> {
    if !matches!(name, "." | "..") && fits(name, KEY_MARKS) {
        return Ok(name);
    }
    Err(OperationError::InvalidName(
        "the name of a key has 1 to 256 of A-Z a-z 0-9 . _ -, and is not `.` or `..`",
    ))
}

fn fits(name: &str, marks: &[u8]) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_path_would_change_are_refused() {
        let long = "a".repeat(NAME_CHARS_MAX);
        for name in ["a", "A-1_b.c", "...", ".env", long.as_str()] {
            assert!(secret(name).is_ok() && key(name).is_ok(), "{name}");
        }
        assert!(secret("stripe/live/key").is_ok());
        assert!(key("stripe/live").is_err());
        let longer = "a".repeat(NAME_CHARS_MAX + 1);
        let huge = "a".repeat(10 << 10);
        for name in ["", ".", "..", "a b", "a\0", "ä", "a%2f", "\n", longer.as_str(), huge.as_str()] {
            assert!(secret(name).is_err() && key(name).is_err(), "{name}");
        }
        for name in ["/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a/.."] {
            assert!(secret(name).is_err(), "{name}");
        }
    }
}
