//! What a manifest says of the whole application, with the defaults of `defineConfig`.

use super::GuardMode;
use serde::{Deserialize, Serialize};

/// The field `application` of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApplicationSpec {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Sessions.
    pub auth: AuthSpec,
    /// Which other sites may call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsSpec>,
    /// Bytes of a body.
    pub max_body_bytes: u64,
    /// Its description for programs.
    pub openapi: OpenApiSpec,
    /// Studio.
    pub studio: StudioSpec,
    /// Tools.
    pub mcp: McpSpec,
    /// The write buffer of runs.
    pub persistence: PersistenceSpec,
    /// How guards run that are in no group.
    pub guards_default_mode: GuardMode,
}

impl Default for ApplicationSpec {
    fn default() -> Self {
        Self {
            name: None,
            auth: AuthSpec::default(),
            cors: None,
            max_body_bytes: 10 << 20,
            openapi: OpenApiSpec::default(),
            studio: StudioSpec::default(),
            mcp: McpSpec::default(),
            persistence: PersistenceSpec::default(),
            guards_default_mode: GuardMode::Sequential,
        }
    }
}

/// How long sessions last, and their cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSpec {
    /// Seconds from the last renewal.
    pub expires_in_s: u32,
    /// The cookie.
    pub cookie: CookieSpec,
}

impl Default for AuthSpec {
    fn default() -> Self {
        Self { expires_in_s: 604_800, cookie: CookieSpec::default() }
    }
}

/// The cookie of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CookieSpec {
    /// Its name.
    pub name: String,
    /// Whether it has `Secure`; as the request came, where absent.
    pub secure: Option<bool>,
}

impl Default for CookieSpec {
    fn default() -> Self {
        Self { name: "bunbase_session".to_owned(), secure: None }
    }
}

/// Cross-origin requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CorsSpec {
    /// Which origins.
    pub origin: CorsOrigin,
    /// Whether with cookies.
    pub credentials: Option<bool>,
    /// Methods.
    pub methods: Option<Vec<String>>,
    /// Headers of requests.
    #[serde(alias = "headers")]
    pub allowed_headers: Option<Vec<String>>,
    /// Headers of answers.
    pub exposed_headers: Option<Vec<String>>,
    /// Seconds that an answer about it holds.
    pub max_age: Option<u32>,
}

/// Origins that may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CorsOrigin {
    /// All or none.
    Any(bool),
    /// One, or `*`.
    One(String),
    /// These.
    These(Vec<String>),
}

impl Default for CorsOrigin {
    fn default() -> Self {
        Self::Any(true)
    }
}

impl CorsSpec {
    /// Origins that are named and may act with cookies.
    pub(crate) fn trusted(&self) -> Vec<String> {
        let named: &[String] = match &self.origin {
            CorsOrigin::Any(_) => &[],
            CorsOrigin::One(origin) => std::slice::from_ref(origin),
            CorsOrigin::These(origins) => origins,
        };
        let is_trusted = self.credentials.unwrap_or(true);
        named.iter().filter(|origin| is_trusted && *origin != "*").cloned().collect()
    }
}

/// The OpenAPI document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenApiSpec {
    /// Whether it is served.
    pub enabled: bool,
    /// Where.
    pub path: String,
    /// Its title; the name of the application where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The version of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Default for OpenApiSpec {
    fn default() -> Self {
        Self { enabled: true, path: "/api/openapi.json".to_owned(), title: None, version: None }
    }
}

/// Studio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StudioSpec {
    /// Whether it is served.
    pub enabled: bool,
    /// Where its pages are.
    pub path: String,
    /// Where its API is.
    pub api_path: String,
}

impl Default for StudioSpec {
    fn default() -> Self {
        Self { enabled: false, path: "/_studio".to_owned(), api_path: "/_studio/api".to_owned() }
    }
}

/// Tools over the Model Context Protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct McpSpec {
    /// Whether they are served.
    pub enabled: bool,
    /// Where.
    pub path: String,
}

impl Default for McpSpec {
    fn default() -> Self {
        Self { enabled: false, path: "/_mcp".to_owned() }
    }
}

/// The write buffer of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersistenceSpec {
    /// Whether runs are kept.
    pub enabled: bool,
    /// Milliseconds between writes.
    pub flush_interval_ms: u64,
    /// Runs that wait at most.
    pub max_buffer_size: usize,
}

impl Default for PersistenceSpec {
    fn default() -> Self {
        Self { enabled: true, flush_interval_ms: 2_000, max_buffer_size: 500 }
    }
}
