//! The routes of one service, collected.

use crate::authorise::{Guard, authorise};
use crate::openapi;
use crate::record::Recorded;
use crate::route::{NamedSchema, Need, Route, RouteRow};
use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter};
use http::Method;
use ports::access::Access;
use std::sync::Arc;
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::security::SecurityRequirement;

/// The extension of an OpenAPI operation that says whom it is for: the row of the authorisation table.
const ACCESS: &str = "x-bunbase-access";

/// Collects the routes of a service.
pub struct Routes<S> {
    service: &'static str,
    state: S,
    access: Arc<dyn Access>,
    router: Router<S>,
    rows: Vec<RouteRow>,
    paths: Paths,
    schemas: Vec<NamedSchema>,
}

/// What a service hands to the process that serves it.
pub struct ServiceRoutes {
    /// The handlers, each behind its authorisation.
    pub router: Router,
    /// The authorisation table.
    pub rows: Vec<RouteRow>,
    /// Paths of the OpenAPI document.
    pub paths: Paths,
    /// Schemas that the paths refer to.
    pub schemas: Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet. `service` is the tag in OpenAPI.
    pub fn new(service: &'static str, state: S, access: Arc<dyn Access>) -> Self {
        let (router, rows) = (Router::new(), Vec::new());
        Self { service, state, access, router, rows, paths: Paths::new(), schemas: Vec::new() }
    }

    /// Adds a route with its handler.
    #[must_use]
    pub fn add<H, T>(mut self, route: Route, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let guard = Guard {
            access: self.access.clone(),
            need: route.need,
            body_bytes_max: route.body_bytes_max,
            from_any_site: route.from_any_site,
            recorded: Recorded::of(&route),
        };
        let methods = match &route.method {
            None => axum::routing::any(handler),
            Some(method) => MethodRouter::new().on(filter(method), handler),
        };
        self.router = self.router.route(route.path, methods.layer(from_fn_with_state(guard, authorise)));
        self.declare(route)
    }

    /// Adds a route that is served elsewhere (the path of function calls), so that it stands in the
    /// document and in the table.
    #[must_use]
    pub fn declare(mut self, route: Route) -> Self {
        let Route { method, path, need, operation, mut schemas, .. } = route;
        self.schemas.append(&mut schemas);
        let shown = path.replace("{*", "{");
        let id = method.as_ref().map(|method| operation_id(method, &shown));
        let access = utoipa::openapi::extensions::ExtensionsBuilder::new()
            .add(ACCESS, serde_json::json!(need))
            .build();
        let mut operation = operation
            .tag(self.service)
            .operation_id(id)
            .securities(Some(security(need)))
            .extensions(Some(access));
        if need != Need::Nobody {
            operation = operation.response("401", openapi::error_response("unauthenticated"));
        }
        let http_methods = method.as_ref().map_or_else(all_methods, |method| vec![http_method(method)]);
        self.paths.add_path_operation(&shown, http_methods, operation.build());
        self.rows.push(RouteRow { service: self.service, method, path, need });
        self
    }

    /// The whole.
    pub fn finish(self) -> ServiceRoutes {
        ServiceRoutes {
            router: self.router.with_state(self.state),
            rows: self.rows,
            paths: self.paths,
            schemas: self.schemas,
        }
    }
}

fn filter(method: &Method) -> MethodFilter {
    match *method {
        Method::POST => MethodFilter::POST,
        Method::PUT => MethodFilter::PUT,
        Method::PATCH => MethodFilter::PATCH,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn all_methods() -> Vec<HttpMethod> {
    vec![HttpMethod::Get, HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch, HttpMethod::Delete]
}

fn operation_id(method: &Method, path: &str) -> String {
    let method = method.as_str().to_ascii_lowercase();
    let words = path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty());
    words.fold(method, |id, word| format!("{id}_{word}"))
}

fn security(need: Need) -> Vec<SecurityRequirement> {
    let scheme = |name: &str| SecurityRequirement::new(name, [] as [&str; 0]);
    match need {
        Need::Nobody => Vec::new(),
        Need::Session => vec![scheme("session")],
        Need::Developer(_) => vec![scheme("session"), scheme("token")],
        Need::Project(_) => vec![scheme("session"), scheme("token"), scheme("key")],
        Need::Key(_) | Need::Invocation => vec![scheme("key")],
        Need::Operator => vec![scheme("instance_token")],
    }
}
