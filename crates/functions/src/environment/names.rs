//! Names of variables: as shells have them, but for those that mean something to the runtime.

use crate::error::FunctionsError;

const NAME_BYTES_MAX: usize = 128;
/// What begins like this is the server's or the runtime's.
const RESERVED_PREFIXES: [&str; 4] = ["BUNBASE_", "BUN_", "LD_", "DYLD_"];
const RESERVED: [&str; 9] = [
    "PATH",
    "HOME",
    "PWD",
    "SHELL",
    "USER",
    "TMPDIR",
    "NODE_OPTIONS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NODE_PATH",
];

pub(super) fn check(key: &str) -> Result<(), FunctionsError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts_well || key.len() > NAME_BYTES_MAX || !key.bytes().all(plain) {
        return Err(FunctionsError::InvalidName {
            what: "variable",
            rule: "use 1 to 128 letters, digits and `_`, not beginning with a digit",
        });
    }
    if RESERVED.contains(&key) || RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return Err(FunctionsError::InvalidName {
            what: "variable",
            rule: "names that mean something to the runtime are reserved (PATH, HOME, NODE_OPTIONS, BUN_…, BUNBASE_…, LD_…)",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_malformed_names_are_refused() {
        for key in ["A", "_x", "NODE_ENV", "stripe_key2"] {
            assert!(check(key).is_ok(), "{key}");
        }
        for key in
            ["", "1A", "A-B", "A=B", "PATH", "BUNBASE_URL", "BUN_JSC_x", "LD_PRELOAD", "Ä", &"x".repeat(129)]
        {
            assert!(check(key).is_err(), "{key}");
        }
    }
}
