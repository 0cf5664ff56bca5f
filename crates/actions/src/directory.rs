//! What the stages ask the tables of an application for. Times are milliseconds since the epoch, ids are text.
//! One `Directory` is one application's database; the caller caches, an implementation does not.

use async_trait::async_trait;
use serde_json::{Map, Value};
use service_kit::error::{Classify, ErrorCode};
use service_kit::secret::TokenHash;

/// The tables could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("the database of the application did not answer")]
pub struct DirectoryError {
    code: ErrorCode,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DirectoryError {
    /// With the code that the caller is told: `internal`, or `unavailable` for what may work later.
    pub fn new(code: ErrorCode, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { code, source: source.into() }
    }
}

impl Classify for DirectoryError {
    fn code(&self) -> ErrorCode {
        self.code
    }
}

/// A row of `sessions`.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// A UUID (version 7).
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// The organisation that it was created for.
    pub org_id: Option<String>,
    /// What else `createSession` was given, such as `role` and `permissions`.
    pub payload: Map<String, Value>,
    /// When it began.
    pub created_at: i64,
    /// When it ends, unless it is touched before.
    pub expires_at: i64,
    /// When it was seen last; set when it is created and touched.
    pub last_active_at: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// The address that it was created from.
    pub ip: Option<String>,
    /// The program that it was created with.
    pub user_agent: Option<String>,
}

/// What is asked of a row of `users`; never the hash of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: String,
    /// Its role in the whole application.
    pub role: Option<String>,
}

/// What is asked of a row of `api_keys` that is not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// Who it acts for.
    pub user_id: String,
    /// Permissions that it is limited to; empty: whatever its user may.
    pub scopes: Vec<String>,
    /// When it was used last, give or take a minute.
    pub last_used_at: Option<i64>,
}

/// A row of `organizations`, with how many belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Rows of `org_memberships`.
    pub member_count: u64,
}

/// What an organisation has paid for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanAndFeatures {
    /// The key of the plan of a subscription that is active, or trialing with its trial not yet over; `free` where
    /// there is none.
    pub plan: String,
    /// Keys of the features of that plan.
    pub features: Vec<String>,
}

/// How fine it is known when an API key was used last.
pub const KEY_USE_COARSE_MS: i64 = 60_000;

/// Look-ups in the tables of one application, and the writes that sessions need.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The session, revoked and expired ones too.
    async fn session(&self, id: &str) -> Result<Option<Session>, DirectoryError>;

    /// The user.
    async fn user(&self, id: &str) -> Result<Option<User>, DirectoryError>;

    /// The user with this id or e-mail address, in any case.
    async fn find_user(&self, named: &str) -> Result<Option<User>, DirectoryError>;

    /// The key whose token has this hash, unless it is revoked.
    async fn api_key(&self, hash: &TokenHash) -> Result<Option<ApiKey>, DirectoryError>;

    /// Sets when a key was used last, where that lies `KEY_USE_COARSE_MS` back or is not set.
    async fn touch_api_key(&self, id: &str, now_ms: i64) -> Result<(), DirectoryError>;

    /// The role of a user in an organisation as its row has it (`admin`), where the user is a member.
    async fn membership(&self, user_id: &str, org_id: &str) -> Result<Option<String>, DirectoryError>;

    /// The organisation.
    async fn organization(&self, id: &str) -> Result<Option<Organization>, DirectoryError>;

    /// What the organisation has at `now_ms`.
    async fn plan_and_features(&self, org_id: &str, now_ms: i64) -> Result<PlanAndFeatures, DirectoryError>;

    /// Keys of the permissions of all roles with these keys, each once. Unknown roles have none.
    async fn permissions_of(&self, roles: &[&str]) -> Result<Vec<String>, DirectoryError>;

    /// Adds a session; it is on disk when this is answered.
    async fn insert_session(&self, session: &Session) -> Result<(), DirectoryError>;

    /// Marks a session as revoked; one that is unknown or revoked stays as it is.
    async fn revoke_session(&self, id: &str, now_ms: i64) -> Result<(), DirectoryError>;

    /// Sets when it was seen last and when it ends.
    async fn touch_session(&self, id: &str, now_ms: i64, expires_at: i64) -> Result<(), DirectoryError>;
}
