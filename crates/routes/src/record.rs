//! The audit record of a change, made where the route is declared: what was done and to what, after the
//! handler did it and before the caller is told.

use crate::route::{Need, Route};
use axum::extract::RawPathParams;
use http::{HeaderMap, StatusCode, header};
use ports::access::{Access, Action, Caller, Grant, Peer};
use ports::audit::AuditEntry;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Characters of a `User-Agent` that are kept.
pub(crate) const USER_AGENT_CHARS_MAX: usize = 200;
/// Characters of each path parameter that are kept.
pub(crate) const TARGET_CHARS_MAX: usize = 300;

/// What a handler adds to the record of its change, as an extension of its response: what the path does
/// not say, such as the id of what was made. Never a secret.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    caller: Option<Caller>,
    project: Option<ProjectId>,
    target: BTreeMap<String, String>,
}

impl Recording {
    /// Names one thing that was changed.
    #[must_use]
    pub fn target(mut self, name: &str, value: &str) -> Self {
        self.target.insert(name.to_owned(), cut(value, TARGET_CHARS_MAX));
        self
    }

    /// The project that the change belongs to, where the path names none.
    #[must_use]
    pub fn project(mut self, project: ProjectId) -> Self {
        self.project = Some(project);
        self
    }

    /// Who it was, where the route is open to all; without it nothing is recorded there.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    pub(crate) fn complete(self, entry: &mut AuditEntry) {
        entry.target.extend(self.target);
        entry.project = self.project.or(entry.project.take());
        if let Some(caller) = self.caller {
            entry.caller = caller;
        }
    }
}

/// How a recorded route is called in the audit log.
#[derive(Clone)]
pub(crate) struct Recorded {
    action: Arc<str>,
    summary: Arc<str>,
}

impl Recorded {
    /// `None` for routes that change nothing, or only data.
    pub(crate) fn of(route: &Route) -> Option<Self> {
        let method = route.method.as_ref()?;
        let changes = !method.is_safe() || route.need == Need::Project(Action::SecretReveal);
        let recorded = match route.need {
            Need::Developer(action) | Need::Project(action) | Need::Key(action) => action.is_recorded(),
            Need::Session | Need::Nobody => true,
            Need::Invocation | Need::Operator => false,
        };
        (changes && recorded).then(|| Self {
            action: format!("{method} {}", route.path).into(),
            summary: route.summary.as_str().into(),
        })
    }

    /// The entry of one request, but for its outcome.
    pub(crate) fn begin(
        &self,
        grant: &Grant,
        request: &axum::extract::Request,
        params: &RawPathParams,
    ) -> AuditEntry {
        let targets = params.iter().filter(|(name, _)| *name != "project");
        AuditEntry {
            caller: grant.caller.clone(),
            project: grant.project.clone(),
            action: self.action.to_string(),
            summary: self.summary.to_string(),
            target: targets.map(|(name, value)| (name.to_owned(), cut(value, TARGET_CHARS_MAX))).collect(),
            status: 0,
            address: request.extensions().get::<Peer>().map(|peer| peer.0.to_canonical().to_string()),
            user_agent: text(request.headers(), header::USER_AGENT.as_str())
                .map(|agent| cut(agent, USER_AGENT_CHARS_MAX)),
            request_id: text(request.headers(), "x-request-id").map(str::to_owned),
        }
    }
}

/// Whether an entry is worth a record: what was refused changed nothing, and nobody did nothing.
pub(crate) fn worth(entry: &AuditEntry, status: StatusCode) -> bool {
    let changed = status.is_success() || status.is_redirection() || status.is_server_error();
    changed && entry.caller != Caller::Nobody
}

/// Writes an entry down.
///
/// # Errors
/// A change that cannot be written down is told as one: the caller has to know that it may have happened.
pub(crate) async fn recorded(access: &dyn Access, entry: AuditEntry) -> Result<(), ApiError> {
    access.record(entry).await.map_err(|error| {
        tracing::error!(%error, "a change could not be recorded in the audit log");
        let message = "the change was made, but could not be recorded in the audit log: look before you \
            try again";
        ApiError::new(ErrorCode::Unavailable, message)
    })
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_recorded_and_looking_is_not() {
        let recorded = |route: Route| Recorded::of(&route).is_some();
        assert!(recorded(Route::post("/a", Need::Project(Action::KeyWrite))));
        assert!(recorded(Route::get("/a", Need::Project(Action::SecretReveal))));
        assert!(recorded(Route::delete("/a", Need::Session)));
        assert!(!recorded(Route::get("/a", Need::Project(Action::KeyRead))));
        assert!(!recorded(Route::put("/a", Need::Key(Action::DocumentWrite))));
    }

    #[test]
    fn a_route_for_all_is_recorded_where_its_handler_says_who_it_was() {
        let mut entry = AuditEntry {
            caller: Caller::Nobody,
            project: None,
            action: "POST /a".to_owned(),
            summary: String::new(),
            target: BTreeMap::new(),
            status: 0,
            address: None,
            user_agent: None,
            request_id: None,
        };
        assert!(!worth(&entry, StatusCode::OK));
        let project = ProjectId::generate();
        let recording = Recording::default().caller(Caller::Operator).project(project.clone());
        recording.target("thing", &"x".repeat(TARGET_CHARS_MAX + 1)).complete(&mut entry);
        assert!(worth(&entry, StatusCode::OK) && !worth(&entry, StatusCode::FORBIDDEN));
        assert_eq!(entry.project, Some(project));
        assert_eq!(entry.target["thing"].len(), TARGET_CHARS_MAX);
    }
}
