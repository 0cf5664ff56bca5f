//! What is known of one connection.

use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// A connection's place among those that may be open; held by whoever still uses the connection.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// One connection.
pub(crate) struct Connection {
    /// The address of the other end.
    pub(crate) peer: IpAddr,
    pub(crate) place: Place,
}
