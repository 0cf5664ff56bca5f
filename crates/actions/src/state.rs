//! Who a call is for: what the guards ask and change, and what the context of a handler says.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who calls. The names are those of `ctx.auth`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// The user.
    pub user_id: String,
    /// The session, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The organisation that the call is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// The role: in the organisation, once `inOrg` has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Permissions, with `*` and `ns:*`.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What proved it.
    pub kind: AuthKind,
    /// The API key, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// What the API key is limited to, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
}

/// What proved who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// A cookie.
    Session,
    /// An API key.
    ApiKey,
    /// The token of a session in `Authorization`.
    Bearer,
    /// A token of the project's end users.
    Tenant,
}

/// The organisation that a call is in. The names are those of `ctx.org`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Org {
    /// Its id.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The key of its plan.
    pub plan: String,
    /// Keys of its features.
    pub features: Vec<String>,
    /// How many belong to it.
    pub member_count: u64,
    /// The role that the caller has in it.
    pub role: String,
}

/// What guards ask and change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthState {
    /// Who calls, where that is known.
    #[serde(default)]
    pub auth: Option<Arc<Auth>>,
    /// Set by `inOrg`.
    #[serde(default)]
    pub org: Option<Arc<Org>>,
}

impl AuthState {
    /// An API key of which only its kind came back from Bun gains nothing beyond what it had.
    pub(crate) fn limited(mut self) -> Self {
        if let Some(auth) =
            self.auth.as_mut().filter(|auth| auth.kind == AuthKind::ApiKey && auth.key_id.is_none())
        {
            let held = auth.permissions.clone();
            Arc::make_mut(auth).scopes.get_or_insert(held);
        }
        self
    }
}
