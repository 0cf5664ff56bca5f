//! What fuzzers reach besides the public interface.

/// Bytes at the end of a journal.
///
/// # Panics
/// Where the check of journals breaks its promises.
pub fn journal(input: &[u8]) {
    crate::journal::examine_any(input);
}
