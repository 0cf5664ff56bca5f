//! Dead letters go back into their queues, or away.

use super::command::Done;
use super::group::{Failure, Group};
use crate::error::JobsError;
use crate::inspect::DeadJob;
use crate::store::failures::{self, Which};
use crate::store::jobs::NewRow;
use crate::store::keys::Place;
use service_kit::ids::ProjectId;
use sql::SqlError;

/// Dead letters of one transaction: their payloads are in memory.
const PAGE: usize = 50;

impl Group<'_> {
    /// One, or a share of a queue's: those whose unique key another job has stay where they are.
    pub(super) async fn replay(&mut self, project: &ProjectId, which: &Which) -> Result<Done, Failure> {
        self.check_project(project)?;
        let found = failures::read(&mut self.write, project, which, PAGE).await?;
        let is_one = matches!(which, Which::One(_));
        if found.is_empty() && is_one {
            return Err(JobsError::JobNotFound.into());
        }
        let mut rest = (found.len() == PAGE).then(|| found.last().map(|dead| dead.id.clone())).flatten();
        let mut replayed = 0;
        for dead in found {
            if self.has_other_owner(project, &dead).await? {
                if is_one {
                    return Err(JobsError::KeyTaken.into());
                }
                continue;
            }
            match self.check_room(project, 1).await {
                Err(Failure::Refused(_)) if replayed > 0 => {
                    rest = None;
                    break;
                }
                checked => checked?,
            }
            self.revive(project, dead).await?;
            replayed += 1;
        }
        Ok(Done::Replayed(replayed, rest))
    }

    async fn has_other_owner(&mut self, project: &ProjectId, dead: &DeadJob) -> Result<bool, SqlError> {
        let Some((key, _)) = &dead.unique else { return Ok(false) };
        let owner = self.owner(Place { project, queue: &dead.spec.queue, key }).await?;
        Ok(owner.is_some_and(|owner| owner != dead.id))
    }

    /// The same job with all its attempts before it.
    async fn revive(&mut self, project: &ProjectId, dead: DeadJob) -> Result<(), SqlError> {
        failures::delete(&mut self.write, &dead.id).await?;
        self.subtract_dead(project, 1);
        self.after.counts.replayed += 1;
        self.add_row(NewRow {
            id: dead.id,
            project: project.clone(),
            spec: dead.spec,
            ready: true,
            run_at: self.now,
            created_at: dead.created_at_ms,
            unique: dead.unique,
            scheduled: dead.scheduled,
        })
        .await
    }

    pub(super) async fn discard(&mut self, project: &ProjectId, which: &Which) -> Result<Done, Failure> {
        let gone = failures::discard(&mut self.write, project, which).await?;
        if gone == 0 && matches!(which, Which::One(_)) {
            return Err(JobsError::JobNotFound.into());
        }
        self.subtract_dead(project, gone);
        Ok(Done::Discarded(gone))
    }

    pub(super) fn subtract_dead(&mut self, project: &ProjectId, count: u64) {
        let own = self.state.lanes.project(project);
        own.dead = own.dead.saturating_sub(count);
    }
}
