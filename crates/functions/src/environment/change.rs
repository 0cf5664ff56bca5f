//! Changes of variables. A function's own change is refused where its active version does not start with it; a
//! project's change is made, and functions that do not start with it keep the workers that they have.

use super::{Environment, names};
use crate::error::FunctionsError;
use crate::routing::{Preparation, Warmth};
use crate::service::FunctionsService;
use crate::store::functions::{self, FunctionRow};
use crate::store::variables::{self, Scope, VariableRow};
use secrecy::{ExposeSecret, SecretString};
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// What a variable is to hold.
#[derive(Debug)]
pub(crate) enum Content {
    /// This.
    Value(SecretString),
    /// Whatever the named KMS secret holds when workers start.
    Secret(String),
}

/// A change that was made.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The variable; `None` where it was removed.
    pub(crate) row: Option<VariableRow>,
    /// Functions whose workers stay as they were, and why.
    pub(crate) unchanged: Vec<(String, String)>,
}

/// One variable of a project or of one of its functions.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) project: ProjectId,
    /// The function's name; `None` for the project.
    pub(crate) function: Option<String>,
    pub(crate) key: String,
}

impl FunctionsService {
    /// The variables of a project, or a function's own. Never what they hold.
    pub(crate) async fn variables(
        &self,
        project: &ProjectId,
        function: Option<&str>,
    ) -> Result<Vec<VariableRow>, FunctionsError> {
        let scope = match function {
            None => Scope::Project,
            Some(name) => Scope::Function(self.get(project, name).await?.id),
        };
        variables::list(&self.database, project, &scope).await
    }

    /// Sets a variable, or with `None` removes it; to the end even if the caller goes away.
    pub(crate) async fn change_variable(
        self: &Arc<Self>,
        variable: Variable,
        content: Option<Content>,
    ) -> Result<Changed, FunctionsError> {
        names::check(&variable.key)?;
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&variable.project).await?;
            service.change_now(&variable, content).await
        };
        self.background.spawn(work).await?
    }

    async fn change_now(
        self: &Arc<Self>,
        variable: &Variable,
        content: Option<Content>,
    ) -> Result<Changed, FunctionsError> {
        let function = match &variable.function {
            None => None,
            Some(name) => Some(self.get(&variable.project, name).await?),
        };
        let scope = function.as_ref().map_or(Scope::Project, |row| Scope::Function(row.id.clone()));
        let before = variables::list(&self.database, &variable.project, &scope).await?;
        let after = match content {
            Some(content) => Some(self.written(variable, &scope, (&before, content)).await?),
            None if before.iter().any(|row| row.key == variable.key) => None,
            None => return Err(FunctionsError::VariableNotFound),
        };
        let change =
            Change { project: &variable.project, scope: &scope, key: &variable.key, after: after.as_ref() };
        let unchanged = match &function {
            Some(row) => self.change_of_function(row, &change).await.map(|()| Vec::new()),
            None => self.change_of_project(&change).await,
        };
        if after.is_none() && unchanged.is_ok() {
            self.vault.forget(&variable.project, &scope, &variable.key);
        }
        Ok(Changed { row: after, unchanged: unchanged? })
    }

    /// The row of a variable that is to be written.
    async fn written(
        &self,
        Variable { project, key, .. }: &Variable,
        scope: &Scope,
        (before, content): (&[VariableRow], Content),
    ) -> Result<VariableRow, FunctionsError> {
        let known = before.iter().find(|row| row.key == *key);
        let limit = self.config.variables_max;
        if known.is_none() && before.len() >= limit {
            return Err(FunctionsError::TooManyOf { what: "variables", limit, setting: "variables_max" });
        }
        let (secret, sealed, size) = match content {
            Content::Value(value) => {
                let size = value.expose_secret().len();
                self.check_value(value.expose_secret())?;
                (None, self.vault.seal(project, (scope, key), &value).await?, size)
            }
            Content::Secret(name) => {
                self.vault.check_secret(project, &name).await?;
                (Some(name), Vec::new(), 0)
            }
        };
        let now = now_ms();
        Ok(VariableRow {
            scope: scope.as_str().to_owned(),
            key: key.clone(),
            version: known.map_or(1, |row| row.version + 1),
            secret,
            sealed,
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            created_at: known.map_or(now, |row| row.created_at),
            updated_at: now,
        })
    }

    fn check_value(&self, value: &str) -> Result<(), FunctionsError> {
        let limit_bytes = self.config.variable_bytes_max;
        if value.len() > limit_bytes {
            return Err(FunctionsError::TooLarge { what: "value of the variable", limit_bytes });
        }
        if value.contains('\0') {
            return Err(FunctionsError::Invalid("a variable cannot hold the character NUL"));
        }
        Ok(())
    }

    async fn change_of_function(
        self: &Arc<Self>,
        row: &FunctionRow,
        change: &Change<'_>,
    ) -> Result<(), FunctionsError> {
        let environment = self.environment_after(row, change).await?;
        let routing = self.routing_of(row).await?;
        let preparation = Preparation { warmth: Warmth::Live, environment: Some(&environment), ready: None };
        let prepared = self.prepare(row, &routing, preparation).await?;
        if let Err(error) = self.store(change).await {
            self.abandon(prepared);
            return Err(error);
        }
        self.switch(row, prepared);
        Ok(())
    }

    async fn environment_after(
        &self,
        row: &FunctionRow,
        change: &Change<'_>,
    ) -> Result<Environment, FunctionsError> {
        let mut rows = variables::of_function(&self.database, &row.project, &row.id).await?;
        rows.retain(|known| known.scope != change.scope.as_str() || known.key != change.key);
        rows.extend(change.after.cloned());
        rows.sort_by(|a, b| (&a.scope, &a.key).cmp(&(&b.scope, &b.key)));
        self.open(&row.project, rows).await
    }

    async fn change_of_project(
        self: &Arc<Self>,
        change: &Change<'_>,
    ) -> Result<Vec<(String, String)>, FunctionsError> {
        let rows = functions::list(&self.database, change.project).await?;
        // What would be too large for a function is refused, before anything is changed.
        for row in &rows {
            if let Err(error @ FunctionsError::TooLarge { .. }) = self.environment_after(row, change).await {
                return Err(error);
            }
        }
        self.store(change).await?;
        let mut unchanged = Vec::new();
        for row in &rows {
            if let Err(error) = self.reroute(row, Warmth::Busy).await {
                tracing::warn!(%error, function = %row.id, "workers go on with the variables from before");
                unchanged.push((row.name.clone(), error.to_string()));
            }
        }
        Ok(unchanged)
    }

    async fn store(&self, change: &Change<'_>) -> Result<(), FunctionsError> {
        match change.after {
            Some(row) => variables::put(&self.database, change.project, row).await,
            None => variables::delete(&self.database, change.project, change.scope, change.key).await,
        }
    }
}

/// One variable as it will be.
struct Change<'a> {
    project: &'a ProjectId,
    scope: &'a Scope,
    key: &'a str,
    /// `None` where it is removed.
    after: Option<&'a VariableRow>,
}
