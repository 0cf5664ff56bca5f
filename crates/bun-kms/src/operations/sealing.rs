//! Sealing for other services: what they keep themselves, encrypted under the project's key.

use crate::audit::{Operation, ResourceKind};
use crate::crypto::{self, Binding};
use crate::error::OperationError;
use crate::kms::{Done, Kms, Scope};
use secrecy::SecretSlice;

/// The purpose of sealed records; the service's own purpose is their name.
const PURPOSE: &str = "seal";

impl Kms {
    /// Encrypts for one project and purpose.
    pub(crate) async fn seal(
        &self,
        scope: &Scope,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, OperationError> {
        let sealed = match self.keks.find_or_make(&self.store, &scope.project).await {
            Ok(kek) => crypto::seal(&kek, &binding(scope, purpose), plaintext).map_err(Into::into),
            Err(error) => Err(error),
        };
        let event = scope.event_on(Operation::Seal, ResourceKind::Purpose, purpose);
        self.recorded(event, sealed.map(Done::plain)).await
    }

    /// Decrypts what `seal` made for the same project and purpose.
    pub(crate) async fn open(
        &self,
        scope: &Scope,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, OperationError> {
        let opened = match self.keks.find(&self.store, &scope.project).await {
            Ok(Some(kek)) => crypto::open(&kek, &binding(scope, purpose), sealed).map_err(Into::into),
            Ok(None) => Err(OperationError::NotSealedHere),
            Err(error) => Err(error),
        };
        let event = scope.event_on(Operation::Open, ResourceKind::Purpose, purpose);
        let opened = opened.map(|plaintext| Done::plain(SecretSlice::from(plaintext.to_vec())));
        self.recorded(event, opened).await
    }
}

fn binding<'a>(scope: &'a Scope, purpose: &'a str) -> Binding<'a> {
    Binding { project: &scope.project, purpose: PURPOSE, name: purpose, version: 0 }
}
