//! Names that users choose. None of them ever stands in a path of the file system.

use crate::error::FunctionsError;

/// Longest name of a function, of a version and of a handler.
const NAME_BYTES_MAX: usize = 63;

/// A function: letters, digits, `_` and `-`, beginning with a letter or digit.
pub(crate) fn check_function(name: &str) -> Result<(), FunctionsError> {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    check(name, rest).ok_or(FunctionsError::InvalidName {
        what: "function",
        rule: "use 1 to 63 letters, digits, `_` and `-`, beginning with a letter or digit",
    })
}

/// A version: as a function, and `.`.
pub(crate) fn check_version(name: &str) -> Result<(), FunctionsError> {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    check(name, rest).ok_or(FunctionsError::InvalidName {
        what: "version",
        rule: "use 1 to 63 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
    })
}

/// An alias: lower case, so that it can stand in a host; `live` is one.
pub(crate) fn check_alias(name: &str) -> Result<(), FunctionsError> {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends_well = !name.ends_with('-') && !name.contains("--");
    check(name, rest).filter(|()| ends_well).ok_or(FunctionsError::InvalidName {
        what: "alias",
        rule: "use 1 to 63 lower-case letters, digits and single `-`, such as `preview-login`",
    })
}

/// A handler: the name of an export, or of one of the export `handlers`, whose names may be parted by dots and hyphens.
pub(crate) fn check_handler(name: &str) -> Result<(), FunctionsError> {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'-');
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || "_$".contains(first));
    let fits = starts_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(rest);
    fits.then_some(()).ok_or(FunctionsError::InvalidName {
        what: "handler",
        rule: "name an export of the module, such as `default` or `handler`",
    })
}

fn check(name: &str, rest: impl Fn(u8) -> bool) -> Option<()> {
    let first = name.bytes().next()?;
    (first.is_ascii_alphanumeric() && name.len() <= NAME_BYTES_MAX && name.bytes().all(rest)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_mean_something_else_are_refused() {
        for name in ["hello", "a", "9-lives_2", &"x".repeat(63)] {
            assert!(check_function(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "_a", "../etc", "a/b", "a\0", "ä", "a b", "a.b", &"x".repeat(64)] {
            assert!(check_function(name).is_err(), "{name}");
        }
        assert!(check_version("1.0.0-rc.1").is_ok());
        assert!(check_version("..").is_err());
        assert!(check_alias("preview-7").is_ok());
        assert!(["Preview", "a--b", "a-", "a@b", ""].into_iter().all(|name| check_alias(name).is_err()));
        assert!(check_handler("$default").is_ok());
        assert!(check_handler("tasks.create-one").is_ok());
        assert!(["a b", "../a", "-a", ""].into_iter().all(|name| check_handler(name).is_err()));
    }
}
