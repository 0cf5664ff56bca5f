//! Compiled rules of many owners, kept in memory. What was saved last holds from then on: loading and
//! replacing take turns.

use crate::error::RuleError;
use crate::path_rule::PathRule;
use crate::path_rules::PathRules;
use crate::pattern::Separator;
use quick_cache::sync::Cache;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Rules by owner. The store of their text belongs to whoever uses it, and to nobody else.
pub struct RulesCache<K> {
    separator: Separator,
    compiled: Cache<K, Arc<PathRules>>,
    turn: Mutex<()>,
}

impl<K: Hash + Eq + Clone> RulesCache<K> {
    /// Keeps the rules of up to `owners_max` owners.
    pub fn new(separator: Separator, owners_max: usize) -> Self {
        Self { separator, compiled: Cache::new(owners_max), turn: Mutex::new(()) }
    }

    /// The rules of `owner`; `load` reads their text where they are not in memory. Stored rules that this
    /// program does not take are closed rules.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get<E>(
        &self,
        owner: &K,
        load: impl Future<Output = Result<Vec<PathRule>, E>>,
    ) -> Result<Arc<PathRules>, E> {
        if let Some(rules) = self.compiled.get(owner) {
            return Ok(rules);
        }
        let _turn = self.turn.lock().await;
        if let Some(rules) = self.compiled.get(owner) {
            return Ok(rules);
        }
        let rules = match self.compile(load.await?).await {
            Ok(rules) => rules,
            Err(RuleError::Unchecked) => return Ok(Arc::default()),
            Err(error) => {
                tracing::error!(%error, "stored rules do not compile and are closed");
                Arc::default()
            }
        };
        self.compiled.insert(owner.clone(), rules.clone());
        Ok(rules)
    }

    /// Checks rules, has `save` keep them, and puts them in force.
    ///
    /// # Errors
    /// The rules are wrong, or those of `save`.
    pub async fn replace<E: From<RuleError>>(
        &self,
        owner: &K,
        rules: Vec<PathRule>,
        save: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let compiled = self.compile(rules).await?;
        let _turn = self.turn.lock().await;
        self.compiled.remove(owner);
        save.await?;
        self.compiled.insert(owner.clone(), compiled);
        Ok(())
    }

    /// Forgets an owner who is gone.
    pub async fn forget(&self, owner: &K) {
        let _turn = self.turn.lock().await;
        self.compiled.remove(owner);
    }

    async fn compile(&self, rules: Vec<PathRule>) -> Result<Arc<PathRules>, RuleError> {
        let separator = self.separator;
        let compiled = tokio::task::spawn_blocking(move || PathRules::parse(&rules, separator)).await;
        compiled.unwrap_or(Err(RuleError::Unchecked)).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Access;

    fn open(path: &str) -> Vec<PathRule> {
        vec![PathRule { path: path.into(), read: Some("true".into()), write: None }]
    }

    async fn reads(cache: &RulesCache<u8>, stored: Vec<PathRule>) -> bool {
        let rules = cache.get(&1, async { Ok::<_, RuleError>(stored) }).await.unwrap();
        rules.allows(Access::Read, "a", None)
    }

    #[tokio::test]
    async fn what_was_saved_last_holds() {
        let cache = RulesCache::new(Separator::Slash, 10);
        assert!(!reads(&cache, Vec::new()).await);
        assert!(!reads(&cache, open("a")).await, "kept in memory");
        cache.replace(&1, open("a"), async { Ok::<_, RuleError>(()) }).await.unwrap();
        assert!(reads(&cache, Vec::new()).await);
        cache.forget(&1).await;
        assert!(!reads(&cache, Vec::new()).await);
    }

    #[tokio::test]
    async fn rules_that_are_wrong_or_not_saved_change_nothing() {
        let cache = RulesCache::new(Separator::Slash, 10);
        let wrong = cache.replace(&1, open("/"), async { Ok::<_, RuleError>(()) }).await;
        assert!(matches!(wrong, Err(RuleError::Path { .. })));
        let unsaved = cache.replace(&1, open("a"), async { Err(RuleError::Unchecked) }).await;
        assert_eq!(unsaved, Err(RuleError::Unchecked));
        assert!(!reads(&cache, Vec::new()).await);
    }

    #[tokio::test]
    async fn stored_rules_that_do_not_compile_are_closed() {
        let cache = RulesCache::new(Separator::Slash, 10);
        assert!(!reads(&cache, open("a/**/b")).await);
    }
}
