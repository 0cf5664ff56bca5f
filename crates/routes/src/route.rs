//! The declaration of a route.

use http::Method;
use ports::access::Action;
use service_kit::error::ErrorCode;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Everybody.
    Nobody,
    /// A developer with a session, or with a token whose scopes reach this.
    Developer(Action),
    /// A developer with a session: what a token may not do.
    Session,
    /// A member or secret key of `{project}` in the path, allowed to do this.
    Project(Action),
    /// A project key allowed to do this; the key says which project.
    Key(Action),
    /// A function call: the function's own `access` setting decides.
    Invocation,
    /// Whoever runs the server.
    Operator,
}

/// One row of the authorisation table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRow {
    /// The service that answers.
    pub service: &'static str,
    /// Method; `None` for any.
    pub method: Option<Method>,
    /// Path with `{parameters}`.
    pub path: &'static str,
    /// Whom it is for.
    pub need: Need,
}

/// A schema that OpenAPI may refer to by name.
pub(crate) type NamedSchema = (String, RefOr<Schema>);

/// One route: method, path, whom it is for, and what goes in and out.
pub struct Route {
    pub(crate) method: Option<Method>,
    pub(crate) path: &'static str,
    pub(crate) need: Need,
    pub(crate) summary: String,
    pub(crate) body_bytes_max: Option<usize>,
    pub(crate) from_any_site: bool,
    pub(crate) operation: OperationBuilder,
    pub(crate) schemas: Vec<NamedSchema>,
}

impl Route {
    fn new(method: Option<Method>, path: &'static str, need: Need) -> Self {
        let mut operation = OperationBuilder::new();
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let parameter = ParameterBuilder::new()
                .name(name.trim_start_matches('*'))
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
            operation = operation.parameter(parameter);
        }
        Self {
            method,
            path,
            need,
            summary: String::new(),
            body_bytes_max: None,
            from_any_site: false,
            operation,
            schemas: Vec::new(),
        }
    }

    /// A `GET` route.
    pub fn get(path: &'static str, need: Need) -> Self {
        Self::new(Some(Method::GET), path, need)
    }

    /// A `POST` route.
    pub fn post(path: &'static str, need: Need) -> Self {
        Self::new(Some(Method::POST), path, need)
    }

    /// A `PUT` route.
    pub fn put(path: &'static str, need: Need) -> Self {
        Self::new(Some(Method::PUT), path, need)
    }

    /// A `PATCH` route.
    pub fn patch(path: &'static str, need: Need) -> Self {
        Self::new(Some(Method::PATCH), path, need)
    }

    /// A `DELETE` route.
    pub fn delete(path: &'static str, need: Need) -> Self {
        Self::new(Some(Method::DELETE), path, need)
    }

    /// A route for any method.
    pub fn any(path: &'static str, need: Need) -> Self {
        Self::new(None, path, need)
    }

    /// One line: what it does.
    #[must_use]
    pub fn summary(mut self, text: &str) -> Self {
        self.operation = self.operation.summary(Some(text));
        text.clone_into(&mut self.summary);
        self
    }

    /// Takes bodies of up to `bytes`, instead of the process's limit.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = Some(bytes);
        self
    }

    /// Lets pages of other sites change something without a key: for a route for nobody where the address
    /// itself is the proof, and no cookie counts.
    #[must_use]
    pub fn from_any_site(mut self) -> Self {
        self.from_any_site = true;
        self
    }

    /// A query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, description: &str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// A JSON body of this shape.
    #[must_use]
    pub fn body<T: ToSchema + PartialSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let body = utoipa::openapi::request_body::RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content("application/json", content)
            .build();
        self.operation = self.operation.request_body(Some(body));
        self
    }

    /// A JSON answer of this shape.
    #[must_use]
    pub fn answers<T: ToSchema + PartialSchema>(mut self, status: u16, description: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let response = ResponseBuilder::new().description(description).content("application/json", content);
        self.operation = self.operation.response(status.to_string(), response.build());
        self
    }

    /// An answer whose body is not described (none, or none of ours).
    #[must_use]
    pub fn answers_plain(mut self, status: &str, description: &str) -> Self {
        let response = ResponseBuilder::new().description(description).build();
        self.operation = self.operation.response(status, response);
        self
    }

    /// Errors that this route answers besides those that every route has.
    #[must_use]
    pub fn errors(mut self, codes: &[ErrorCode]) -> Self {
        let mut by_status = std::collections::BTreeMap::<u16, Vec<&str>>::new();
        for code in codes {
            by_status.entry(code.status().as_u16()).or_default().push(code.as_str());
        }
        for (status, codes) in by_status {
            let content = ContentBuilder::new()
                .schema(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Error"))))
                .build();
            let response = ResponseBuilder::new()
                .description(codes.join(", "))
                .content("application/json", content)
                .build();
            self.operation = self.operation.response(status.to_string(), response);
        }
        self
    }

    fn reference<T: ToSchema + PartialSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        RefOr::Ref(Ref::from_schema_name(name))
    }
}
