//! Runs jobs: each attempt is a call of the live version, through the one executor.

use super::names::{self, Source};
use super::plan::Plans;
use super::{answer, request};
use crate::error::FunctionsError;
use crate::front::{Executor, Origin};
use crate::registry::Entered;
use async_trait::async_trait;
use jobs::{Job, Outcome};
use run_log::Trigger;
use service_kit::ids::InvocationId;
use std::sync::Arc;
use std::time::Duration;

/// How long a job waits whose function cannot take it now.
const LATER: Duration = Duration::from_secs(5);
/// The attribute of a job that names its handler.
pub(super) const HANDLER: &str = "handler";

/// The handler of all queues.
pub(super) struct Runner {
    pub(super) executor: Arc<Executor>,
    pub(super) plans: Arc<Plans>,
}

/// What a job starts.
pub(super) struct Target {
    /// `None`: a queue of the project.
    pub(super) source: Option<Source>,
    pub(super) function: Box<str>,
    pub(super) handler: String,
}

#[async_trait]
impl jobs::Handler for Runner {
    async fn run(&self, job: Arc<Job>) -> Outcome {
        match self.target(&job) {
            Ok(target) => self.attempt(&job, &target).await,
            Err(outcome) => outcome,
        }
    }
}

impl Runner {
    fn target(&self, job: &Job) -> Result<Target, Outcome> {
        let queue = job.spec.queue.as_str();
        let later = Outcome::Later { after: LATER };
        let Some((source, function)) = names::source_of(queue) else {
            let consumer = self.plans.consumer(&job.project, queue).ok_or(later)?;
            return Ok(Target { source: None, function: consumer.function, handler: consumer.handler });
        };
        let plan = self.plans.plan(&job.project, function).ok_or(later)?;
        let handler = job.spec.options.attributes.get(HANDLER).cloned().unwrap_or_default();
        if !plan.has(&handler) {
            let error = format!("the live version of the function has no handler \"{handler}\"");
            return Err(Outcome::Fail { error });
        }
        Ok(Target { source: Some(source), function: function.into(), handler })
    }

    async fn attempt(&self, job: &Job, target: &Target) -> Outcome {
        let entered =
            match self.executor.registry.enter_inside(&job.project, (&target.function, &target.handler)) {
                Ok(entered) => entered,
                Err(reason) => return not_begun(&reason),
            };
        self.call(job, target, entered).await
    }

    async fn call(&self, job: &Job, target: &Target, entered: Entered) -> Outcome {
        let invocation_id: Arc<str> = InvocationId::generate().into();
        let request = match request::build(job, target, invocation_id.clone()) {
            Ok(request) => request,
            Err(error) => return Outcome::Fail { error },
        };
        let answered = self.executor.run_triggered((entered, origin(job, target)), request).await;
        answer::outcome(answered, &invocation_id).await
    }
}

fn origin(job: &Job, target: &Target) -> Origin {
    let trigger = match target.source {
        Some(Source::Cron) => Trigger::Cron,
        Some(Source::Event | Source::Document) => Trigger::Event,
        None => Trigger::Queue,
    };
    Origin { trigger, parent_id: None, handler: Some(target.handler.as_str().into()), attempt: job.attempt }
}

/// No version takes calls now, one that shares them has no such handler, or its variables cannot be opened: the attempt does not count.
fn not_begun(reason: &FunctionsError) -> Outcome {
    tracing::debug!(%reason, "a job waits for its function");
    Outcome::Later { after: LATER }
}
