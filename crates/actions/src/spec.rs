//! What a manifest says of an application and its actions, checked when a version is loaded. What is [`Private`] is
//! taken out of the JSON first and never becomes part of it again.

mod application;
mod private;

pub use application::{
    ApplicationSpec, AuthSpec, CookieSpec, CorsOrigin, CorsSpec, McpSpec, OpenApiSpec, PersistenceSpec,
    StudioSpec,
};
pub use private::{MIGRATION_BYTES_MAX, Private, SECRET_CHARS_MIN, SessionSecrets};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is wrong with the parts of a manifest that make an application, and where: `handlers[0].guards[1].options`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the application is not valid at `{place}`: {problem}")]
pub struct SpecError {
    /// Where.
    pub place: String,
    /// What, and what to do.
    pub problem: String,
}

impl SpecError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }

    /// The same inside of `place`.
    pub(crate) fn under(self, place: &str) -> Self {
        let is_whole = self.place.is_empty() || self.place.starts_with('[');
        let place =
            if is_whole { format!("{place}{}", self.place) } else { format!("{place}.{}", self.place) };
        Self { place, ..self }
    }
}

/// Whether guards run one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardMode {
    /// In order.
    Sequential,
    /// All at once.
    Parallel,
}

/// The field `action` of a handler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActionSpec {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The module that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Fields of the input that come from somewhere else than the body.
    pub input_fields: BTreeMap<String, FieldSpec>,
    /// Fields of the output that leave the body.
    pub output_fields: BTreeMap<String, FieldSpec>,
    /// Indexes of triggers whose input a function in Bun makes.
    pub mapped: Vec<usize>,
    /// Its input schema has parts that JSON does not show.
    pub opaque: bool,
    /// Attempts; they are made in Bun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Value>,
}

/// Where a field is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// The part of the message.
    #[serde(rename = "in")]
    pub place: FieldPlace,
    /// Its name there.
    pub name: String,
    /// Attributes of a cookie of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
}

/// A part of a request or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldPlace {
    /// A parameter of the path.
    Path,
    /// A parameter of the query.
    Query,
    /// A header.
    Header,
    /// A cookie.
    Cookie,
}

/// A guard as the manifest writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardSpec {
    /// `authenticated`, `custom`, `parallel`, …
    pub name: String,
    /// What it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
}

/// What of a trigger matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct TriggerSpec {
    pub(crate) kind: String,
    pub(crate) methods: Vec<String>,
    pub(crate) path: String,
}

impl TriggerSpec {
    /// Names of the path's parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix(':'))
    }
}

/// What of a handler matters here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct HandlerSpec {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) triggers: Vec<TriggerSpec>,
    #[serde(default)]
    pub(crate) guards: Vec<GuardSpec>,
    #[serde(default)]
    pub(crate) input: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) output: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) action: ActionSpec,
    /// It is the platform's own, and in no document of the application.
    #[serde(default)]
    pub(crate) internal: bool,
}

/// What of a manifest matters here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ManifestSpec {
    pub(crate) handlers: Vec<HandlerSpec>,
    #[serde(default)]
    pub(crate) application: ApplicationSpec,
}

pub(crate) fn part<T: DeserializeOwned>(value: Value) -> Result<T, SpecError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        SpecError::new(if path == "." { String::new() } else { path }, error.inner().to_string())
    })
}

impl ManifestSpec {
    pub(crate) fn read(manifest: &Value) -> Result<Self, SpecError> {
        let spec: Self = part(manifest.clone())?;
        for (index, handler) in spec.handlers.iter().enumerate() {
            handler.check(&format!("handlers[{index}]"))?;
        }
        if spec.application.auth.expires_in_s == 0 {
            return Err(SpecError::new("application.auth.expires_in_s", "it has to be 1 at least"));
        }
        if !is_token(&spec.application.auth.cookie.name) {
            return Err(SpecError::new(
                "application.auth.cookie.name",
                "it is no name of a cookie (RFC 6265)",
            ));
        }
        Ok(spec)
    }
}

impl HandlerSpec {
    fn check(&self, place: &str) -> Result<(), SpecError> {
        if let Some(index) = self.action.mapped.iter().find(|index| **index >= self.triggers.len()) {
            let problem = format!("there is no trigger {index}");
            return Err(SpecError::new(format!("{place}.action.mapped"), problem));
        }
        for (name, field) in &self.action.output_fields {
            if matches!(field.place, FieldPlace::Path | FieldPlace::Query) {
                let problem = "an output has headers and cookies only";
                return Err(SpecError::new(format!("{place}.action.output_fields.{name}"), problem));
            }
        }
        Ok(())
    }
}

/// A token of RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_private_leaves_the_manifest() {
        let secret = "s".repeat(SECRET_CHARS_MIN);
        let mut manifest = json!({"handlers": [], "application": {
            "auth": {"session_secret": secret, "previous_secrets": [secret], "expires_in_s": 60},
            "database_url": "postgres://a:ssss@localhost/a",
            "migrations": [{"name": "001_a", "sql": "CREATE TABLE ssss (x)"}]}});
        let private = Private::take_from(&mut manifest).unwrap();
        assert_eq!((private.sessions.0.len(), private.database_url.is_some()), (2, true));
        assert!(!manifest.to_string().contains("ssss"));
        assert_eq!(ManifestSpec::read(&manifest).unwrap().application.auth.expires_in_s, 60);
        assert!(Private::take_from(&mut json!({})).unwrap().sessions.0.is_empty());
    }

    #[test]
    fn what_is_private_and_wrong_is_not_repeated() {
        let error = |application: Value| {
            Private::take_from(&mut json!({"application": application})).err().unwrap().to_string()
        };
        let short = error(json!({"auth": {"session_secret": "short-one"}}));
        assert!(short.contains("32") && !short.contains("short-one"), "{short}");
        let other = error(json!({"database_url": "mysql://a:s3cret@localhost"}));
        assert!(other.contains("postgres://") && !other.contains("s3cret"), "{other}");
        let large = "x".repeat(MIGRATION_BYTES_MAX + 1);
        for (name, sql) in [("init", "SELECT 1"), ("001_init", &large)] {
            assert!(error(json!({"migrations": [{"name": name, "sql": sql}]})).contains("migrations"));
        }
    }

    #[test]
    fn errors_name_the_place() {
        let place = |manifest: Value| ManifestSpec::read(&manifest).unwrap_err().place;
        let handler = |action: Value| json!({"handlers": [{"name": "a", "action": action}]});
        assert_eq!(place(handler(json!({"mapped": [0]}))), "handlers[0].action.mapped");
        assert_eq!(
            place(handler(json!({"input_fields": {"a": {"in": "body", "name": "a"}}}))),
            "handlers[0].action.input_fields.a.in"
        );
        let output = json!({"output_fields": {"a": {"in": "query", "name": "a"}}});
        assert_eq!(place(handler(output)), "handlers[0].action.output_fields.a");
        let cookie = json!({"handlers": [], "application": {"auth": {"cookie": {"name": "a b"}}}});
        assert_eq!(place(cookie), "application.auth.cookie.name");
    }
}
