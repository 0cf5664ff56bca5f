//! What is too old goes, a share at a time.

use super::group::Group;
use crate::names::ScheduleName;
use crate::store::{SHARE_MAX, failures, keys, runs, schedules};
use service_kit::ids::ProjectId;
use sql::SqlError;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// How long a schedule is shown that will not fire again.
const ENDED_KEPT_MS: i64 = 7 * DAY_MS;

impl Group<'_> {
    /// What is over the bounds of projects that grew goes.
    pub(super) async fn trim(&mut self) -> Result<(), SqlError> {
        for project in std::mem::take(&mut self.buried) {
            let max = self.config.failures_per_project_max;
            let dead = self.state.lanes.project(&project).dead;
            if dead > max {
                let gone = failures::trim(&mut self.write, &project, dead - max).await?;
                self.subtract_dead(&project, gone);
            }
        }
        for project in std::mem::take(&mut self.crowded) {
            // With room for a while, so that not every end of a job counts and trims.
            let wanted = self.config.unique_keys_per_project_max / 10 * 9;
            let kept = keys::kept(&mut self.write, &project).await?;
            keys::trim(&mut self.write, &project, kept.saturating_sub(wanted)).await?;
            self.state.lanes.project(&project).kept_keys = kept.min(wanted);
        }
        Ok(())
    }

    pub(super) async fn sweep(&mut self) -> Result<(), SqlError> {
        let keys = keys::sweep(&mut self.write, self.now).await?;
        for project in &keys {
            if let Ok(project) = ProjectId::parse(project) {
                let own = self.state.lanes.project(&project);
                own.kept_keys = own.kept_keys.saturating_sub(1);
            }
        }
        let before = self.now - i64::from(self.config.failures_days) * DAY_MS;
        let dead = failures::sweep(&mut self.write, before).await?;
        for project in &dead {
            if let Ok(project) = ProjectId::parse(project) {
                self.subtract_dead(&project, 1);
            }
        }
        let ended = schedules::sweep(&mut self.write, self.now - ENDED_KEPT_MS).await?;
        for (project, name) in &ended {
            if let Ok(project) = ProjectId::parse(project) {
                runs::delete(&mut self.write, &project, &ScheduleName::stored(name)).await?;
            }
        }
        let is_full = |count: usize, max: i64| count as i64 == max;
        let has_more = is_full(keys.len(), SHARE_MAX)
            || is_full(dead.len(), SHARE_MAX)
            || is_full(ended.len(), schedules::DUE_MAX);
        let pause_ms = if has_more { 0 } else { self.config.sweep_every_ms.get() };
        self.state.next_sweep = self.now + i64::try_from(pause_ms).unwrap_or(i64::MAX / 2);
        self.after.has_more |= has_more;
        self.state.lanes.tidy();
        Ok(())
    }
}
