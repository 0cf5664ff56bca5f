//! The HTTP routes of end users. Those for developers are mounted twice: for secret keys, and for members
//! of a project named in the path.

mod body;
mod config;
mod cookie;
mod keys;
mod links;
mod sign_in;
mod user;
mod users;
mod visitor;

use crate::service::TenantAuthService;
use axum::handler::Handler;
use ports::access::{Access, Action};
use routes::{Need, Route, Routes, ServiceRoutes};
use service_kit::error::ErrorCode;
use std::sync::Arc;

/// What every handler is given.
type Service = Arc<TenantAuthService>;

pub(crate) fn routes(service: Service, access: Arc<dyn Access>) -> ServiceRoutes {
    let mut mounted = Mounted(Routes::new("end-users", service, access));
    for mount in [sign_in::mount, links::mount, users::mount, config::mount, keys::mount] {
        mounted = mount(mounted);
    }
    mounted.0.finish()
}

struct Mounted(Routes<Service>);

impl Mounted {
    fn add<H, T>(self, route: Route, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        Self(self.0.add(route, handler))
    }

    /// Mounts a resource for keys and for members; `describe` says what stands in OpenAPI.
    fn both<H, T>(self, endpoint: &Endpoint, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        let [with_key, in_project] = endpoint.paths;
        let route = |path, need| (endpoint.describe)((endpoint.method)(path, need));
        self.add(route(with_key, Need::Key(endpoint.action)), handler.clone())
            .add(route(in_project, Need::Project(endpoint.action)), handler)
    }
}

/// One resource and method, before it is mounted.
struct Endpoint {
    method: fn(&'static str, Need) -> Route,
    /// With a key, and with the project in the path.
    paths: [&'static str; 2],
    action: Action,
    describe: fn(Route) -> Route,
}

/// Errors of the routes that take a password or send mail.
const ATTEMPT_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::BodyTooLarge,
    ErrorCode::RateLimited,
    ErrorCode::Overloaded,
    ErrorCode::Unavailable,
];
