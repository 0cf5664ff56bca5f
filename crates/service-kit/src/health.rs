//! Health of the parts of a process: each part registers a check, `/ready` asks them all.

use serde::Serialize;
use std::sync::{Arc, RwLock};

/// Says whether a part can serve now, and why not.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What `/ready` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `ready` or `not_ready`.
    pub status: &'static str,
    /// One entry for each part.
    pub parts: Vec<Part>,
}

/// One part in the report.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Name of the service.
    pub name: &'static str,
    /// Whether it can serve.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The parts of this process. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<Vec<(&'static str, Check)>>>,
}

impl Health {
    /// Adds a part.
    pub fn register(
        &self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.checks.write().unwrap_or_else(|poisoned| poisoned.into_inner()).push((name, Arc::new(check)));
    }

    /// Asks every part.
    pub fn report(&self) -> Report {
        let checks = self.checks.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let parts: Vec<_> = checks
            .iter()
            .map(|(name, check)| {
                let reason = check().err();
                Part { name, ready: reason.is_none(), reason }
            })
            .collect();
        let status = if parts.iter().all(|part| part.ready) { "ready" } else { "not_ready" };
        Report { status, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_is_not_ready_makes_the_whole_not_ready() {
        let health = Health::default();
        health.register("a", || Ok(()));
        assert_eq!(health.report().status, "ready");
        health.register("b", || Err("still loading".into()));
        let report = health.report();
        assert_eq!(report.status, "not_ready");
        assert_eq!(report.parts[1].reason.as_deref(), Some("still loading"));
    }
}
