//! Variables at the start. A function whose variables cannot be opened is not called without them: its calls are
//! refused until they can be.

use super::Environment;
use crate::error::{FunctionsError, StartError};
use crate::service::FunctionsService;
use crate::store::functions::{self, FunctionRow};
use std::sync::Arc;
use std::time::Duration;

/// Between two attempts to open variables.
const PAUSE: Duration = Duration::from_secs(2);

impl FunctionsService {
    /// Puts every function into the table; those whose variables cannot be opened are tried again from then on.
    pub(crate) async fn register_with_variables(
        self: &Arc<Self>,
        rows: &[FunctionRow],
    ) -> Result<(), StartError> {
        let (mut closed, mut is_reachable) = (Vec::new(), true);
        for row in rows {
            let environment = self.environment_at_start(row, &mut is_reachable).await;
            self.register_stored(row, environment.as_ref())
                .await
                .map_err(|error| StartError::Function { name: row.name.clone(), source: Box::new(error) })?;
            if environment.is_none() {
                closed.push(row.clone());
            }
        }
        if !closed.is_empty() {
            tracing::warn!(
                functions = closed.len(),
                "variables cannot be opened: calls of these functions are refused"
            );
            let service = self.clone();
            tokio::spawn(async move { service.open_closed(closed).await });
        }
        Ok(())
    }

    /// `None` where they cannot be opened. Who could not be reached once is not asked for each function.
    async fn environment_at_start(&self, row: &FunctionRow, is_reachable: &mut bool) -> Option<Environment> {
        let stored = crate::store::variables::of_function(&self.database, &row.project, &row.id).await;
        match stored {
            Ok(rows) if rows.is_empty() => return Some(Environment::default()),
            Ok(_) if !*is_reachable => return None,
            Ok(rows) => match self.open(&row.project, rows).await {
                Ok(environment) => return Some(environment),
                Err(error) => {
                    *is_reachable = !is_unreachable(&error);
                    tracing::warn!(%error, function = %row.id, "variables could not be opened");
                }
            },
            Err(error) => tracing::warn!(%error, function = %row.id, "variables could not be read"),
        }
        None
    }

    /// Tries again until none is left, or the service ends.
    async fn open_closed(self: Arc<Self>, mut closed: Vec<FunctionRow>) {
        while !closed.is_empty() {
            tokio::select! {
                () = self.streams_end.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let mut left = Vec::new();
            for row in std::mem::take(&mut closed) {
                match self.open_one(&row).await {
                    Ok(()) => tracing::info!(function = %row.id, "variables are open"),
                    Err(error) => {
                        tracing::debug!(%error, function = %row.id, "variables are still closed");
                        left.push(row);
                    }
                }
            }
            closed = left;
        }
    }

    async fn open_one(self: &Arc<Self>, row: &FunctionRow) -> Result<(), FunctionsError> {
        let _turn = match self.locks.enter(&row.project).await {
            Err(FunctionsError::ProjectGone) => return Ok(()),
            turn => turn?,
        };
        let Some(now) = functions::find(&self.database, &row.project, &row.name).await? else {
            return Ok(());
        };
        let environment = self.environment(&now.project, &now.id).await?;
        self.register_stored(&now, Some(&environment)).await
    }
}

fn is_unreachable(error: &FunctionsError) -> bool {
    use service_kit::error::{Classify, ErrorCode};
    error.code() == ErrorCode::EnvironmentUnavailable
}
