//! Variables of functions: sealed in the store, opened for the workers, never told again. A function has its
//! project's variables and its own; its own win. A change replaces the workers by warmed ones that have it.

mod change;
mod names;
mod opened;
mod start;
mod vault;

pub(crate) use change::{Changed, Content, Variable};
pub(crate) use vault::Vault;

use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::store::variables::{self, VariableRow};
use opened::Opened;
use secrecy::{ExposeSecret, SecretString};
use service_kit::ids::{FunctionId, ProjectId};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The variables of one function, opened.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Changes with every variable.
    pub(crate) revision: Arc<str>,
    values: BTreeMap<String, SecretString>,
}

impl Environment {
    /// For the pool, which hands them to the workers.
    pub(crate) fn exposed(&self) -> Vec<(String, String)> {
        self.values.iter().map(|(key, value)| (key.clone(), value.expose_secret().to_owned())).collect()
    }

    /// For the log, which replaces them.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        self.values.values().cloned().collect()
    }

    /// One of them.
    pub(crate) fn get(&self, name: &str) -> Option<&SecretString> {
        self.values.get(name)
    }

    fn size_bytes(&self) -> usize {
        self.values.iter().map(|(key, value)| key.len() + value.expose_secret().len()).sum()
    }
}

impl FunctionsService {
    /// The variables of a function as they are stored.
    pub(crate) async fn environment(
        &self,
        project: &ProjectId,
        function: &FunctionId,
    ) -> Result<Environment, FunctionsError> {
        let rows = variables::of_function(&self.database, project, function).await?;
        self.open(project, rows).await
    }

    /// Opens the variables of `rows`, those of the project before the function's own.
    async fn open(&self, project: &ProjectId, rows: Vec<VariableRow>) -> Result<Environment, FunctionsError> {
        if rows.is_empty() {
            return Ok(Environment::default());
        }
        let revision = revision(&rows).into();
        let mut wanted = BTreeMap::new();
        for row in rows {
            wanted.insert(row.key.clone(), row);
        }
        let opening = wanted.into_values().map(|row| async move {
            let value = self.vault.open(project, &row).await?;
            Ok::<_, FunctionsError>((row.key, value))
        });
        let values = futures_util::future::try_join_all(opening).await?.into_iter().collect();
        let environment = Environment { revision, values };
        let limit_bytes = self.config.environment_bytes_max;
        if environment.size_bytes() > limit_bytes {
            return Err(FunctionsError::TooLarge { what: "environment", limit_bytes });
        }
        Ok(environment)
    }
}

fn revision(rows: &[VariableRow]) -> String {
    let mut digest = Sha256::new();
    for VariableRow { scope, key, version, updated_at, sealed, .. } in rows {
        digest.update(format!("{scope}\0{key}\0{version}\0{updated_at}\0{}\n", sealed.len()));
        digest.update(sealed);
    }
    hex::encode(digest.finalize())
}
