//! `POST /collections/{c}/rules/check`: may this user do this, and which rule says so? Nothing is done, and
//! rules may be tried before they are saved. For developers and secret keys.

use super::extract::InCollection;
use super::object::Object;
use super::rules::RulesBody;
use super::{Endpoint, Mounted, Server, paths};
use crate::metrics::Operation;
use crate::scope::claims_of;
use crate::{error, json};
use axum::extract::State;
use bson::RawDocumentBuf;
use bundoc::engine::{RuleAuth, RuleOperation, RuleProbe, RuleVerdict};
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// What is asked for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleOperation)]
enum Op {
    Read,
    List,
    Create,
    Update,
    Delete,
}

/// Who asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleAuth)]
struct Auth {
    /// The end user's id.
    uid: String,
    /// Claims of the token.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    claims: serde_json::Map<String, serde_json::Value>,
}

/// A question to the rules of a collection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleCheck)]
struct Check {
    /// `read`, `list`, `create`, `update` or `delete`.
    op: Op,
    /// Who asks; without it nobody is signed in.
    #[serde(default, deserialize_with = "optional_object")]
    auth: Option<Auth>,
    /// The document as it is.
    #[schema(value_type = Option<Object>)]
    resource: Option<Box<RawValue>>,
    /// The document as it would be.
    #[schema(value_type = Option<Object>)]
    request_resource: Option<Box<RawValue>>,
    /// Rules to try in the place of those of the collection.
    #[serde(default, deserialize_with = "optional_object")]
    rules: Option<RulesBody>,
}

fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let found = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(found.map(|Object(found)| found))
}

/// What the rules say.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleVerdict)]
struct Verdict {
    /// Whether it may be done.
    allowed: bool,
    /// The rule that decided: `list`, or `read` where there is no `list`; null where there is none, which
    /// denies.
    rule: Option<&'static str>,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
    /// Why it denies, where it did not simply say `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<RuleVerdict> for Verdict {
    fn from(verdict: RuleVerdict) -> Self {
        let RuleVerdict { allowed, rule, expression, reason } = verdict;
        Self { allowed, rule, expression, reason }
    }
}

impl From<Op> for RuleOperation {
    fn from(op: Op) -> Self {
        match op {
            Op::Read => Self::Read,
            Op::List => Self::List,
            Op::Create => Self::Create,
            Op::Update => Self::Update,
            Op::Delete => Self::Delete,
        }
    }
}

impl Check {
    fn into_probe(self) -> Result<RuleProbe, ApiError> {
        let document = |text: Option<Box<RawValue>>| -> Result<Option<RawDocumentBuf>, ApiError> {
            let text = text.filter(|text| text.get() != "null");
            text.map(|text| json::read_document(text.get().as_bytes())).transpose()
        };
        let auth = self.auth.map_or_else(RuleAuth::default, |auth| RuleAuth {
            uid: Some(auth.uid),
            claims: claims_of(&auth.claims),
        });
        Ok(RuleProbe {
            rules: self.rules.map(Into::into),
            operation: self.op.into(),
            auth,
            resource: document(self.resource)?,
            request_resource: document(self.request_resource)?,
        })
    }
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let checks = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/rules/check"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("Ask the rules whether somebody may do something, without doing it")
                .body::<Check>()
                .answers::<Verdict>(200, "whether it may be done, and which rule says so")
                .errors(&[ErrorCode::InvalidRule, ErrorCode::InvalidDocument, ErrorCode::CollectionNotFound])
        },
    };
    mounted.both(&checks, check)
}

async fn check(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Json(Object(body)): Json<Object<Check>>,
) -> Result<Json<Verdict>, ApiError> {
    let probe = body.into_probe()?;
    let database = scope.database;
    let ask = move |engine: &dyn bundoc::engine::Engine| {
        engine.try_rule(&database, &collection, &probe).map_err(error::engine)
    };
    Ok(Json(server.blocking(&scope.project, ask).await?.into()))
}
