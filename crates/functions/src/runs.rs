//! What is asked about the calls of a function. Each answer comes with the names of the project's functions.

use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::store::functions::FunctionRow;
use run_log::{Chart, ChartWindow, RunDetail, RunPage, RunQuery, StoredRun, TraceId};
use service_kit::ids::ProjectId;
use std::collections::HashMap;

/// Names by ids.
type Names = HashMap<String, String>;

/// Lines that come with one call.
const LINES_MAX: usize = 500;

impl FunctionsService {
    /// Calls of a function that have ended, the newest first.
    pub(crate) async fn runs(
        &self,
        project: &ProjectId,
        name: &str,
        wanted: RunQuery,
    ) -> Result<(RunPage, Names), FunctionsError> {
        let row = self.get(project, name).await?;
        let wanted = RunQuery { function: Some(row.id.clone()), ..wanted };
        Ok((self.logs.runs(project, wanted).await?, name_of(&row)))
    }

    /// One call of a function, with its first lines.
    pub(crate) async fn run(
        &self,
        project: &ProjectId,
        name: &str,
        id: &str,
    ) -> Result<Option<(RunDetail, Names)>, FunctionsError> {
        let row = self.get(project, name).await?;
        let found = self.logs.run(project, id, LINES_MAX).await?;
        let own = found.filter(|found| found.run.function == row.id.as_str());
        Ok(own.map(|found| (found, name_of(&row))))
    }

    /// The figures of a function.
    pub(crate) async fn chart(
        &self,
        project: &ProjectId,
        name: &str,
        window: ChartWindow,
    ) -> Result<Chart, FunctionsError> {
        let row = self.get(project, name).await?;
        Ok(self.logs.chart(project, &row.id, window).await?)
    }

    /// The newest traced calls of a function.
    pub(crate) async fn traces(
        &self,
        project: &ProjectId,
        name: &str,
        limit: usize,
    ) -> Result<(Vec<StoredRun>, Names), FunctionsError> {
        let row = self.get(project, name).await?;
        Ok((self.logs.traces(project, Some(&row.id), limit).await?, name_of(&row)))
    }

    /// Every call of a trace, those of the project's other functions included.
    pub(crate) async fn trace(
        &self,
        project: &ProjectId,
        name: &str,
        trace: TraceId,
    ) -> Result<(Vec<StoredRun>, Names), FunctionsError> {
        self.get(project, name).await?;
        let names = self.list(project).await?.iter().flat_map(name_of).collect();
        Ok((self.logs.trace(project, trace).await?, names))
    }
}

fn name_of(row: &FunctionRow) -> Names {
    HashMap::from([(row.id.to_string(), row.name.clone())])
}
