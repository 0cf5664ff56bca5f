//! Why a request was not made, or gave no response.

use std::time::Duration;

/// A request without a response.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL is none that this client asks.
    #[error("the URL cannot be requested: {0}")]
    Url(&'static str),
    /// The host is none of those that the caller may reach.
    #[error("requests to {host} are not allowed; add it to the allowed hosts")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// The host is, or has only, an address that is not public.
    #[error("requests to {host} are refused: its address is not public")]
    AddressNotPublic {
        /// The host.
        host: String,
    },
    /// The name could not be looked up.
    #[error("the address of {host} could not be found")]
    Lookup {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A redirect where none was wanted, that leads nowhere, or one more than may be.
    #[error("the redirect was not followed: {0}")]
    Redirect(&'static str),
    /// The request's body is too large.
    #[error("the body of the request is larger than {bytes_max} bytes")]
    RequestTooLarge {
        /// Largest body.
        bytes_max: usize,
    },
    /// The response's body is too large.
    #[error("the body of the response is larger than {bytes_max} bytes")]
    ResponseTooLarge {
        /// Largest body.
        bytes_max: usize,
    },
    /// No complete response in time.
    #[error("there was no complete response within {0:?}")]
    Timeout(Duration),
    /// Connection, TLS or HTTP failed.
    #[error("the request to {host} failed")]
    Failed {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OutboundError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "outbound_invalid_url",
            Self::HostNotAllowed { .. } | Self::AddressNotPublic { .. } => "outbound_refused",
            Self::Lookup { .. } | Self::Failed { .. } => "outbound_failed",
            Self::Redirect(_) => "outbound_redirect",
            Self::RequestTooLarge { .. } | Self::ResponseTooLarge { .. } => "outbound_too_large",
            Self::Timeout(_) => "outbound_timeout",
        }
    }
}
