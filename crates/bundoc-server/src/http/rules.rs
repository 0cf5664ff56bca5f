//! `/collections/{c}/rules`, and the shape of rules in JSON.

use super::extract::InCollection;
use super::object::{Object, object};
use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use axum::extract::State;
use bundoc::engine::RuleSet;
use ports::access::Action;
use routes::Route;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use std::fmt;
use utoipa::ToSchema;

/// The rules of a collection: CEL expressions over `request.auth`, `request.resource.data` and
/// `resource.data`. `list` falls back to `read`; `create`, `update` and `delete` to `write`; what has no
/// rule is closed to public keys.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Rules)]
pub(super) struct RulesBody {
    /// Get one document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    read: Option<Rule>,
    /// Lists and queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    list: Option<Rule>,
    /// New documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    create: Option<Rule>,
    /// Changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    update: Option<Rule>,
    /// Removal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    delete: Option<Rule>,
    /// Fallback of the three above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    write: Option<Rule>,
}

/// One rule. `true` and `false` are taken as the expressions of that name.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Rule(String);

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor)
    }
}

struct RuleVisitor;

impl Visitor<'_> for RuleVisitor {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CEL expression as a string, or true or false")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Rule, E> {
        Ok(Rule(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rule, E> {
        Ok(Rule(text.to_owned()))
    }
}

impl From<RulesBody> for RuleSet {
    fn from(body: RulesBody) -> Self {
        let text = |rule: Option<Rule>| rule.map(|rule| rule.0);
        Self {
            read: text(body.read),
            list: text(body.list),
            create: text(body.create),
            update: text(body.update),
            delete: text(body.delete),
            write: text(body.write),
        }
    }
}

impl From<RuleSet> for RulesBody {
    fn from(rules: RuleSet) -> Self {
        Self {
            read: rules.read.map(Rule),
            list: rules.list.map(Rule),
            create: rules.create.map(Rule),
            update: rules.update.map(Rule),
            delete: rules.delete.map(Rule),
            write: rules.write.map(Rule),
        }
    }
}

/// The rules as a resource.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CollectionRules)]
struct RulesEnvelope {
    /// All rules of the collection.
    #[serde(deserialize_with = "object")]
    rules: RulesBody,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let reads = Endpoint {
        method: Route::get,
        paths: paths!("/collections/{c}/rules"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("The rules of a collection")
                .answers::<RulesEnvelope>(200, "the rules")
                .errors(&[ErrorCode::CollectionNotFound])
        },
    };
    let replaces = Endpoint {
        method: Route::put,
        paths: paths!("/collections/{c}/rules"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Replace the rules of a collection")
                .body::<RulesEnvelope>()
                .answers::<RulesEnvelope>(200, "the rules as they hold from now on")
                .errors(&[ErrorCode::InvalidRule, ErrorCode::CollectionNotFound])
        },
    };
    mounted.both(&reads, get).both(&replaces, replace)
}

async fn get(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
) -> Result<Json<RulesEnvelope>, ApiError> {
    let info = server.collection(scope, collection).await?;
    Ok(Json(RulesEnvelope { rules: info.rules.into() }))
}

async fn replace(
    State(server): State<Server>,
    at: InCollection,
    Json(Object(body)): Json<Object<RulesEnvelope>>,
) -> Result<Json<RulesEnvelope>, ApiError> {
    let set = server.engine.set_rules(&at.scope.database, &at.collection, body.rules.into()).await;
    let info = set.map_err(error::engine)?;
    Ok(Json(RulesEnvelope { rules: info.rules.into() }))
}
