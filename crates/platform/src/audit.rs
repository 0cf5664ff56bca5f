//! Reading the audit log: filters, parts, the export, and what is removed when its time is over.

use crate::error::PlatformError;
use crate::projects::{PAGE_DEFAULT, PAGE_MAX, project_of};
use crate::service::PlatformService;
use crate::store::{AuditFilter, AuditRow};
use ports::access::Grant;
use ports::identity::Account;
use service_kit::clock::{now_ms, parse_ms};
use service_kit::ids::{ProjectId, UserId};

/// Characters of the text that an action is filtered by.
const ACTION_CHARS_MAX: usize = 200;
/// Characters of an actor.
const ACTOR_CHARS_MAX: usize = 254;

/// A filter as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct AuditWish {
    pub(crate) project: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
}

/// An entry with what is known of the account; `None` where it was none, or is gone.
pub(crate) struct Entry {
    pub(crate) row: AuditRow,
    pub(crate) account: Option<Account>,
}

/// A part of the log, the newest first.
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<Entry>,
    pub(crate) next_cursor: Option<String>,
}

/// Which part.
pub(crate) struct Part {
    /// Entries numbered below this.
    pub(crate) before: i64,
    pub(crate) limit: u32,
}

impl Part {
    /// The part that a request asks for.
    pub(crate) fn parse(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, PlatformError> {
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        let before = match cursor.filter(|cursor| !cursor.is_empty()) {
            None => i64::MAX,
            Some(text) => text.parse().map_err(|_| PlatformError::InvalidPage)?,
        };
        if (1..=PAGE_MAX).contains(&limit) {
            Ok(Self { before, limit })
        } else {
            Err(PlatformError::InvalidPage)
        }
    }
}

impl PlatformService {
    /// The filter for the log of one project.
    pub(crate) async fn audit_of_project(
        &self,
        grant: &Grant,
        wish: AuditWish,
    ) -> Result<AuditFilter, PlatformError> {
        let project = project_of(grant)?.as_str().to_owned();
        self.audit_filter(AuditWish { project: Some(project), ..wish }).await
    }

    /// The filter for the log of the whole server.
    pub(crate) async fn audit_of_server(
        &self,
        developer: &UserId,
        wish: AuditWish,
    ) -> Result<AuditFilter, PlatformError> {
        let accounts = self.accounts([developer.as_str()]).await?;
        if !accounts.values().any(|account| account.is_instance_admin) {
            return Err(PlatformError::AdministratorsOnly);
        }
        self.audit_filter(wish).await
    }

    async fn audit_filter(&self, wish: AuditWish) -> Result<AuditFilter, PlatformError> {
        let time = |text: Option<String>| match text.as_deref().map(parse_ms) {
            Some(None) => Err(PlatformError::InvalidFilter),
            moment => Ok(moment.flatten()),
        };
        let fits = |text: &Option<String>, max| text.as_ref().is_none_or(|text| text.chars().count() <= max);
        let project_fits = wish.project.as_deref().is_none_or(|id| ProjectId::parse(id).is_ok());
        if !fits(&wish.action, ACTION_CHARS_MAX) || !fits(&wish.actor, ACTOR_CHARS_MAX) || !project_fits {
            return Err(PlatformError::InvalidFilter);
        }
        Ok(AuditFilter {
            project: wish.project,
            actor: self.actor_id(wish.actor).await?,
            action: wish.action,
            since: time(wish.since)?,
            until: time(wish.until)?,
        })
    }

    /// The id of an actor who may be named by e-mail address.
    async fn actor_id(&self, actor: Option<String>) -> Result<Option<String>, PlatformError> {
        let Some(email) = actor.as_deref().filter(|text| text.contains('@')) else { return Ok(actor) };
        let account = self.access.identity.account_by_email(email).await?;
        Ok(account.map_or(actor, |account| Some(account.user.as_str().to_owned())))
    }

    /// A part of the log.
    pub(crate) async fn audit(&self, filter: &AuditFilter, part: &Part) -> Result<AuditPage, PlatformError> {
        let mut rows = self.access.store.audit(filter, part.before, part.limit + 1).await?;
        let more = rows.len() > part.limit as usize;
        rows.truncate(part.limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|last| last.number.to_string());
        let mut actors: Vec<_> = rows.iter().filter_map(|row| row.actor.as_deref()).collect();
        actors.sort_unstable();
        actors.dedup();
        let accounts = self.accounts(actors).await?;
        let named = |row: AuditRow| {
            let account = row.actor.as_ref().and_then(|actor| accounts.get(actor)).cloned();
            Entry { row, account }
        };
        Ok(AuditPage { entries: rows.into_iter().map(named).collect(), next_cursor })
    }

    /// Removes entries and invitations whose time is over.
    pub(crate) async fn sweep(&self) -> Result<(), PlatformError> {
        let now = now_ms();
        let invitations = self.access.store.sweep_invitations(now).await?;
        let mut entries = 0;
        loop {
            let swept = self.access.store.sweep_audit(self.config.audit_start(now)).await?;
            entries += swept;
            if swept == 0 {
                break;
            }
        }
        if invitations + entries > 0 {
            tracing::info!(invitations, audit_entries = entries, "removed what was kept long enough");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded() {
        assert_eq!(Part::parse(None, None).unwrap().before, i64::MAX);
        assert_eq!(Part::parse(Some(1000), Some("7")).unwrap().before, 7);
        for (limit, cursor) in
            [(Some(0), None), (Some(1001), None), (None, Some("x")), (None, Some("1 OR 1"))]
        {
            assert!(Part::parse(limit, cursor).is_err(), "{limit:?} {cursor:?}");
        }
    }
}
