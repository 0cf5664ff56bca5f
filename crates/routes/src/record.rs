//! The audit record of a change, made where the route is declared: what was done and to what, after the
//! handler did it and before the caller is told.

use crate::route::{Need, Route};
use axum::extract::RawPathParams;
use http::{HeaderMap, StatusCode, header};
use ports::access::{Action, Grant, Peer};
use ports::audit::AuditEntry;
use std::sync::Arc;

/// Characters of a `User-Agent` that are kept.
const USER_AGENT_CHARS_MAX: usize = 200;
/// Characters of each path parameter that are kept.
const TARGET_CHARS_MAX: usize = 300;

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
            Need::Session => true,
            Need::Nobody | Need::Invocation | Need::Operator => false,
        };
        (changes && recorded).then(|| Self {
            action: format!("{method} {}", route.path).into(),
            summary: route.summary.as_str().into(),
        })
    }

    /// The entry of one request, but for its outcome.
    pub(crate) fn begin(&self, grant: &Grant, request: &axum::extract::Request, params: &RawPathParams) -> AuditEntry {
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

/// Whether an outcome is worth a record: what was refused changed nothing.
pub(crate) fn changed(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection() || status.is_server_error()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn cut(text: &str, chars_max: usize) -> String {
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
}
