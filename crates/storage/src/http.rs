//! The routes. Each resource is declared once and mounted twice: for project keys, and for developers of a
//! project named in the path. Handlers extract, ask the rules where they decide, make one call, and map
//! the answer.

mod conditions;
mod extract;
mod headers;
mod list;
mod objects;
mod rules;
mod signed;
mod standing;

use crate::service::StorageService;
use axum::handler::Handler;
use ports::access::{Access, Action};
use routes::{Need, Route, Routes, ServiceRoutes};
use std::sync::Arc;

/// What every handler is given.
type Service = Arc<StorageService>;

pub(crate) fn routes(service: &Service, access: Arc<dyn Access>) -> ServiceRoutes {
    let object_bytes_max = usize::try_from(service.inner.limits.object_bytes_max).unwrap_or(usize::MAX);
    let routes = Routes::new("storage", service.clone(), access);
    let mut mounted = Mounted { routes, object_bytes_max };
    for mount in [objects::mount, list::mount, signed::mount, rules::mount] {
        mounted = mount(mounted);
    }
    mounted.routes.finish()
}

/// One resource and method, before it is mounted.
struct Endpoint<D> {
    method: fn(&'static str, Need) -> Route,
    /// With a key, and with the project in the path.
    paths: [&'static str; 2],
    action: Action,
    /// What stands in OpenAPI.
    describe: D,
}

struct Mounted {
    routes: Routes<Service>,
    object_bytes_max: usize,
}

impl Mounted {
    fn both<D, H, T>(mut self, endpoint: Endpoint<D>, handler: H) -> Self
    where
        D: Fn(Route) -> Route,
        H: Handler<T, Service>,
        T: 'static,
    {
        let Endpoint { method, paths: [with_key, in_project], action, describe } = endpoint;
        let first = describe(method(with_key, Need::Key(action)));
        let second = describe(method(in_project, Need::Project(action)));
        self.routes = self.routes.add(first, handler.clone()).add(second, handler);
        self
    }
}
