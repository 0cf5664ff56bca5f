//! Sealing and opening of values, each bound to its project, its scope and its name. What was opened once is kept
//! in memory: the workers that have it are there, too.

use super::Opened;
use crate::error::FunctionsError;
use crate::store::variables::{Scope, VariableRow};
use ports::secrets::{Secrets, SecretsError};
use secrecy::{ExposeSecret, SecretString};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::Duration;

/// How long the keeper of secrets may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The values.
pub(crate) struct Vault {
    secrets: Arc<dyn Secrets>,
    opened: Opened,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Vault")
    }
}

impl Vault {
    pub(crate) fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, opened: Opened::default() }
    }

    /// Seals a value for the variable `key` of `scope`.
    pub(super) async fn seal(
        &self,
        project: &ProjectId,
        (scope, key): (&Scope, &str),
        value: &SecretString,
    ) -> Result<Vec<u8>, FunctionsError> {
        let purpose = purpose(scope.as_str(), key);
        let sealed = self.secrets.seal(project, &purpose, value.expose_secret().as_bytes());
        in_time(sealed).await
    }

    /// Whether a named secret is there and can be a variable.
    pub(super) async fn check_secret(&self, project: &ProjectId, name: &str) -> Result<(), FunctionsError> {
        self.named(project, name).await.map(drop)
    }

    /// The value of a variable.
    pub(super) async fn open(
        &self,
        project: &ProjectId,
        row: &VariableRow,
    ) -> Result<SecretString, FunctionsError> {
        if let Some(name) = &row.secret {
            return self.named(project, name).await;
        }
        if let Some(known) = self.opened.get(project, row) {
            return Ok(known);
        }
        let purpose = purpose(&row.scope, &row.key);
        let bytes = in_time(self.secrets.open(project, &purpose, &row.sealed)).await?;
        let value = text(bytes.expose_secret())?;
        self.opened.keep(project, row, &value);
        Ok(value)
    }

    async fn named(&self, project: &ProjectId, name: &str) -> Result<SecretString, FunctionsError> {
        text(in_time(self.secrets.get(project, name)).await?.expose_secret())
    }

    /// Forgets a variable that was removed.
    pub(super) fn forget(&self, project: &ProjectId, scope: &Scope, key: &str) {
        self.opened.forget(project, scope.as_str(), key);
    }

    /// Forgets all of a function.
    pub(crate) fn forget_scope(&self, project: &ProjectId, scope: &Scope) {
        self.opened.forget_scope(project, scope.as_str());
    }

    /// Forgets all of a project.
    pub(crate) fn forget_project(&self, project: &ProjectId) {
        self.opened.forget_project(project);
    }
}

fn purpose(scope: &str, key: &str) -> String {
    let scope = if scope.is_empty() { "project" } else { scope };
    format!("function-environment/{scope}/{key}")
}

fn text(bytes: &[u8]) -> Result<SecretString, FunctionsError> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.map(SecretString::from)
        .ok_or(FunctionsError::Invalid("a variable is text: the secret holds bytes that are none"))
}

async fn in_time<T>(asked: impl Future<Output = Result<T, SecretsError>>) -> Result<T, FunctionsError> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(FunctionsError::Secrets(error)),
        Err(_) => Err(FunctionsError::EnvironmentClosed),
    }
}
