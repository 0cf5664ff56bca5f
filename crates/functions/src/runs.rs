//! What is asked about the calls of a function. Each answer comes with the names of the project's functions.

use crate::error::FunctionsError;
use crate::prometheus::{self, Version};
use crate::registry::Deployment;
use crate::runtime::{Activity, Pool};
use crate::service::FunctionsService;
use crate::store::functions::FunctionRow;
use run_log::{Chart, ChartWindow, RunDetail, RunPage, RunQuery, StoredRun, TraceId};
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

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

    /// What each version of a function is doing that takes calls.
    pub(crate) fn activity(&self, project: &ProjectId, name: &str) -> BTreeMap<Arc<str>, Activity> {
        let mut versions = BTreeMap::<Arc<str>, Activity>::new();
        for deployment in self.executor.registry.deployments(project, name) {
            let found = versions.entry(deployment.owner.version.clone()).or_default();
            *found = found.plus(activity_of(&deployment));
        }
        versions
    }

    /// The figures of all versions of a project as Prometheus reads them.
    pub(crate) async fn prometheus(&self, project: &ProjectId) -> Result<String, FunctionsError> {
        let names: Names = self.list(project).await?.iter().flat_map(name_of).collect();
        let mut versions = BTreeMap::<(String, Arc<str>), Version>::new();
        let name = |id: &FunctionId| names.get(id.as_str()).cloned();
        for deployment in self.executor.registry.deployments_of_project(project) {
            let Some(name) = name(&deployment.owner.function) else { continue };
            let found = versions.entry((name, deployment.owner.version.clone())).or_default();
            found.now = Some(found.now.unwrap_or_default().plus(activity_of(&deployment)));
        }
        for totals in self.logs.totals(project) {
            let Some(name) = name(&totals.function) else { continue };
            let found = versions.entry((name, totals.version.clone())).or_default();
            found.totals = Some(totals);
        }
        Ok(prometheus::text(versions))
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

fn activity_of(deployment: &Deployment) -> Activity {
    deployment.pool.as_ref().map(Pool::activity).unwrap_or_default()
}

fn name_of(row: &FunctionRow) -> Names {
    HashMap::from([(row.id.to_string(), row.name.clone())])
}
