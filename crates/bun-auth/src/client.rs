//! Where a sign-in comes from: counted against limits, and kept with the session so that people recognise
//! theirs.

use std::net::IpAddr;

/// Characters of a `User-Agent` that are kept.
pub(crate) const USER_AGENT_CHARS_MAX: usize = 200;

/// The program that somebody signs in with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    /// The address of the connection's peer, where it is known.
    pub(crate) address: Option<IpAddr>,
    /// Its `User-Agent`, cut.
    pub(crate) user_agent: Option<String>,
}

impl Client {
    /// The address as it is kept and shown.
    pub(crate) fn shown_address(&self) -> Option<String> {
        self.address.map(|address| address.to_canonical().to_string())
    }
}
