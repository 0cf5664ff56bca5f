//! Who calls, as the metadata of each call.

use crate::error::ClientError;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Who calls, and in which project.
#[derive(Clone)]
pub struct Credential(Kind);

#[derive(Clone)]
enum Kind {
    Key(MetadataValue<Ascii>),
    Token { bearer: MetadataValue<Ascii>, project: MetadataValue<Ascii> },
}

impl Credential {
    /// A project's key: a secret one (`sk_…`) may do all that is here, a public one (`pk_…`) invokes.
    ///
    /// # Errors
    /// `Credential`: this is no key.
    pub fn key(key: &str) -> Result<Self, ClientError> {
        secret(key).map(Kind::Key).map(Self)
    }

    /// A developer's API token (`bb_…`), in one of their projects (`prj_…`).
    ///
    /// # Errors
    /// `Credential`: this is no token or no project.
    pub fn token(token: &str, project: &str) -> Result<Self, ClientError> {
        let project = project.parse().map_err(|_| ClientError::Credential)?;
        Ok(Self(Kind::Token { bearer: secret(&format!("Bearer {token}"))?, project }))
    }
}

/// Text that is not printed.
fn secret(text: &str) -> Result<MetadataValue<Ascii>, ClientError> {
    let mut value: MetadataValue<Ascii> = text.parse().map_err(|_| ClientError::Credential)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        match &self.0 {
            Kind::Key(key) => drop(metadata.insert("x-bunbase-client-key", key.clone())),
            Kind::Token { bearer, project } => {
                metadata.insert("authorization", bearer.clone());
                metadata.insert("x-bunbase-project", project.clone());
            }
        }
        Ok(request)
    }
}
