//! Runs jobs: each attempt is a call of the live version, through the one executor.

use super::names::{self, Source};
use super::plan::Plans;
use super::{answer, request};
use crate::error::FunctionsError;
use crate::front::{Cause, Executor, Origin};
use crate::manifest;
use crate::registry::Entered;
use actions::{JobContext, TriggerKind};
use async_trait::async_trait;
use jobs::{Job, Outcome};
use ports::events::{Pattern, Topic};
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
        let mut request = match request::build(job, target, invocation_id.clone()) {
            Ok(request) => request,
            Err(error) => return Outcome::Fail { error },
        };
        let cause = cause(job, target, &entered);
        if entered.application.is_some() {
            // An action is given what its schema describes; the rest is in its context.
            request.body = request::payload(job, target.source);
        }
        let started = (entered, origin(job, target));
        let answered = self.executor.run_triggered(started, request, cause).await;
        answer::outcome(answered, &invocation_id).await
    }
}

/// What starts an action: which of its triggers, and what it may know of the job or the event.
fn cause(job: &Job, target: &Target, entered: &Entered) -> Cause {
    let queue = job.spec.queue.as_str();
    let event = request::event(job, target.source);
    let topic = event.as_ref().and_then(|event| Topic::parse(&event.topic).ok());
    let is_meant = |trigger: &manifest::Trigger| match (target.source, trigger) {
        (Some(Source::Cron), manifest::Trigger::Cron(cron)) => {
            job.spec.options.attributes.get(request::SCHEDULE).is_none_or(|known| *known == cron.schedule)
        }
        (Some(Source::Event), manifest::Trigger::Event(event)) => {
            let pattern = Pattern::parse(&event.topic);
            pattern.is_ok_and(|pattern| topic.as_ref().is_some_and(|topic| pattern.matches(topic)))
        }
        (Some(Source::Document), manifest::Trigger::Document(_)) => true,
        (None, manifest::Trigger::Queue(trigger)) => trigger.queue == queue,
        _ => false,
    };
    let handler = entered.handler.called.index;
    let trigger = entered.application.as_ref().and_then(|known| known.trigger(handler, is_meant));
    let kind = match target.source {
        Some(Source::Cron) => TriggerKind::Cron,
        Some(Source::Event | Source::Document) => TriggerKind::Event,
        None => TriggerKind::Queue,
    };
    let of_queue = target.source.is_none().then(|| JobContext {
        id: job.id.to_string(),
        queue: queue.to_owned(),
        attempt: job.attempt,
        max_attempts: job.spec.options.retry.attempts_max,
    });
    Cause { kind, trigger, job: of_queue, event, identity: None }
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
