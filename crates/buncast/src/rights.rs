//! The rules of each project, compiled when they are first asked for, and what they say about a caller.

use crate::error::BuncastError;
use crate::service::BuncastService;
use crate::sync::locked;
use ports::access::Grant;
use ports::events::Topic;
use rules::{Access, PathRules, RuleList, RuleUser, Separator};
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Projects whose rules are kept compiled; all are forgotten when there are more.
const COMPILED_MAX: usize = 1_000;

/// Rules that are compiled.
#[derive(Debug, Default)]
pub(crate) struct Compiled(Mutex<HashMap<ProjectId, Arc<PathRules>>>);

impl Compiled {
    fn get(&self, project: &ProjectId) -> Option<Arc<PathRules>> {
        locked(&self.0).get(project).cloned()
    }

    fn put(&self, project: &ProjectId, rules: &Arc<PathRules>) {
        let mut compiled = locked(&self.0);
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(project.clone(), rules.clone());
    }

    pub(crate) fn forget(&self, project: &ProjectId) {
        locked(&self.0).remove(project);
    }
}

impl BuncastService {
    /// The rules of a project.
    pub(crate) async fn rules(&self, project: &ProjectId) -> Result<RuleList, BuncastError> {
        self.store.rules(project).await
    }

    /// Sets the rules of a project; they hold for streams that are open as well, within `Standing::EVERY`.
    pub(crate) async fn set_rules(
        &self,
        project: &ProjectId,
        list: RuleList,
    ) -> Result<RuleList, BuncastError> {
        let (list, compiled) = compile(list).await?;
        let _turn = self.ruling.lock().await;
        self.store.put_rules(project, &list).await?;
        self.compiled.put(project, &compiled);
        Ok(list)
    }

    /// What the rules say about the topics that `grant`'s caller may read or write; `None` for callers
    /// whom rules do not concern.
    pub(crate) async fn rights(&self, grant: &Grant) -> Result<Option<Rights>, BuncastError> {
        if !grant.is_ruled() {
            return Ok(None);
        }
        let project = grant.project.as_ref().ok_or(BuncastError::NotAllowed)?;
        if let Some(rules) = self.compiled.get(project) {
            return Ok(Some(Rights { rules, grant: grant.clone() }));
        }
        let _turn = self.ruling.lock().await;
        let (_, rules) = compile(self.store.rules(project).await?).await?;
        self.compiled.put(project, &rules);
        Ok(Some(Rights { rules, grant: grant.clone() }))
    }
}

async fn compile(list: RuleList) -> Result<(RuleList, Arc<PathRules>), BuncastError> {
    let compiled = tokio::task::spawn_blocking(move || {
        let rules = PathRules::parse(&list.rules, Separator::Dot)?;
        Ok((list, Arc::new(rules)))
    });
    compiled.await.unwrap_or(Err(rules::RuleError::Unchecked.into()))
}

/// Rules, and the caller they are asked about.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    rules: Arc<PathRules>,
    grant: Grant,
}

impl Rights {
    /// Whether the caller may subscribe to the topic (`Read`) or publish to it (`Write`).
    pub(crate) fn allow(&self, access: Access, topic: &Topic) -> bool {
        let user = self.grant.end_user.as_deref();
        let user = user.map(|user| RuleUser { uid: user.id.as_str(), claims: &user.claims });
        self.rules.allows(access, topic.as_str(), user.as_ref())
    }
}

/// Refuses what rules do not allow.
pub(crate) fn check(rights: Option<&Rights>, access: Access, topic: &Topic) -> Result<(), BuncastError> {
    if rights.is_none_or(|rights| rights.allow(access, topic)) {
        Ok(())
    } else {
        Err(BuncastError::NotAllowed)
    }
}
