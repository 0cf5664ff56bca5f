//! Schedules and limits of queues follow the live versions: what is stored is made what they declare. May be done
//! again at any time.

use super::names::{self, Source};
use super::plan::Plan;
use super::queue::TIMEOUT_MS;
use super::{request, run};
use crate::manifest::{self, CronTrigger};
use jobs::{
    CATCH_UP_MAX, CatchUp, JobOptions, JobSpec, Jobs, JobsError, NewSchedule, Overlap, PAGE_MAX, QueueName,
    Schedule, ScheduleName, When,
};
use service_kit::ids::ProjectId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Makes the schedules of a project those that its plans declare.
pub(super) async fn reconcile(
    jobs: &Jobs,
    project: &ProjectId,
    plans: &[Arc<Plan>],
) -> Result<(), JobsError> {
    let mut stored = all(jobs, project).await?;
    let mut first_error = None;
    for plan in plans {
        for (ordinal, (handler, cron)) in plan.crons().enumerate() {
            let wanted = schedule(&plan.function, ordinal, (&handler.name, cron))?;
            let known = stored.remove(&wanted.name);
            if known.is_some_and(|known| known.saved == wanted) {
                continue;
            }
            if let Err(error) = jobs.save_schedule(project, wanted).await {
                first_error.get_or_insert(error);
            }
        }
    }
    for name in stored.keys() {
        jobs.delete_schedule(project, name).await?;
    }
    first_error.map_or(Ok(()), Err)
}

async fn all(jobs: &Jobs, project: &ProjectId) -> Result<HashMap<ScheduleName, Schedule>, JobsError> {
    let mut found = HashMap::new();
    let mut after = None;
    loop {
        let page = jobs.schedules(project, after.as_ref(), PAGE_MAX).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.saved.name.clone());
        found.extend(page.into_iter().map(|schedule| (schedule.saved.name.clone(), schedule)));
    }
}

fn schedule(
    function: &str,
    ordinal: usize,
    (handler, cron): (&str, &CronTrigger),
) -> Result<NewSchedule, JobsError> {
    let attributes = [(run::HANDLER, handler), (request::SCHEDULE, &cron.schedule)];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = JobOptions {
        attributes: BTreeMap::from(attributes),
        timeout_ms: TIMEOUT_MS,
        ..JobOptions::default()
    };
    Ok(NewSchedule {
        name: names::schedule_of(function, ordinal)?,
        when: When::Cron { expression: cron.schedule.clone(), time_zone: cron.timezone.clone() },
        jitter_ms: cron.jitter_ms,
        overlap: match cron.overlap {
            manifest::Overlap::Skip => Overlap::Skip,
            manifest::Overlap::Queue => Overlap::Queue,
            manifest::Overlap::Allow => Overlap::Allow,
        },
        catch_up: match cron.catch_up {
            manifest::CatchUp::None => CatchUp::None,
            manifest::CatchUp::Last => CatchUp::Last,
            manifest::CatchUp::All => CatchUp::All { max: CATCH_UP_MAX },
        },
        job: JobSpec {
            queue: names::queue_of(Source::Cron, function)?,
            payload: cron.payload.to_string().into(),
            options,
        },
    })
}

/// Makes the limits of a project's queues those that its consumers declare.
pub(super) async fn limit_queues(
    jobs: &Jobs,
    project: &ProjectId,
    plans: &[Arc<Plan>],
) -> Result<(), JobsError> {
    let mut wanted = BTreeMap::new();
    for (_, trigger) in plans.iter().flat_map(|plan| plan.queues()) {
        wanted.entry(QueueName::parse(&trigger.queue)?).or_insert(trigger.concurrency);
    }
    let mut stored = jobs.stats(project).await?;
    stored.retain(|queue, stats| wanted.contains_key(queue) || stats.settings.concurrency_max.is_some());
    for queue in stored.keys().filter(|queue| !wanted.contains_key(*queue)) {
        jobs.limit(project, queue, None).await?;
    }
    for (queue, concurrency) in wanted {
        if stored.get(&queue).and_then(|stats| stats.settings.concurrency_max) != Some(concurrency) {
            jobs.limit(project, &queue, Some(concurrency)).await?;
        }
    }
    Ok(())
}
