//! What can go wrong.

use crate::pack::PackError;
use service_kit::error::{ApiError, ErrorCode};
use tonic::Status;

/// Something did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The text is no address.
    #[error("`{0}` is no address: write http://host:port or unix:PATH")]
    Address(String),
    /// The text is no key, token or project.
    #[error("the credential has characters that none has")]
    Credential,
    /// Nobody answers.
    #[error("no server answers at {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// What is to be deployed cannot be read.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The server said no; its code is stable.
    #[error("{}", .0.message)]
    Refused(Box<ApiError>),
    /// The connection broke: whether the server did what was asked is not known.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] Box<Status>),
    /// What was answered is not what a server of this version answers.
    #[error("the answer is not one of this version's")]
    Foreign,
    /// The runtime is shutting down.
    #[error("the work was interrupted")]
    Interrupted,
}

impl ClientError {
    /// The stable code, where the server said no.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(error) => Some(error.code),
            _ => None,
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        match rpc::api_error_of(&status) {
            Some(error) => Self::Refused(Box::new(error)),
            None => Self::Broken(Box::new(status)),
        }
    }
}
