//! The OpenAPI document of a process: the paths of its services, the shape of errors, the ways to prove
//! who one is.

use crate::routes::ServiceRoutes;
use ports::access::{KEY_HEADER, SESSION_COOKIE};
use utoipa::ToSchema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder, Schema,
};

/// The error that every route answers.
#[derive(ToSchema, serde::Serialize)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorFields,
}

/// What an error says.
#[derive(ToSchema, serde::Serialize)]
pub struct ErrorFields {
    /// A stable code for programs, such as `document_not_found`.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// More, where there is more to say.
    #[schema(value_type = Option<Object>)]
    pub details: Option<serde_json::Value>,
    /// The id of the request, as in the header `X-Request-Id`.
    pub request_id: Option<String>,
}

pub(crate) fn error_response(description: &str) -> Response {
    let schema = RefOr::<Schema>::Ref(Ref::from_schema_name("Error"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

/// One document for all `services`.
pub fn document<'a>(version: &str, services: impl IntoIterator<Item = &'a ServiceRoutes>) -> OpenApi {
    let mut paths = utoipa::openapi::path::Paths::new();
    let mut components = ComponentsBuilder::new()
        .schema_from::<ErrorBody>()
        .schema_from::<ErrorFields>()
        .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE))))
        .security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(KEY_HEADER))))
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme("instance_token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    for service in services {
        paths.merge(service.paths.clone());
        for (name, schema) in &service.schemas {
            components = components.schema(name, schema.clone());
        }
    }
    let info = InfoBuilder::new().title("BunBase").version(version).build();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}
