//! The routes. Each resource is declared once and mounted twice: for project keys, and for developers of a
//! project named in the path. Handlers extract, ask the rules where they decide, make one call, and map
//! the answer.

mod conditions;
mod extract;
mod increment;
mod keys;
mod rules;
mod values;

use crate::service::KeyValueService;
use axum::handler::Handler;
use ports::access::{Access, Action};
use routes::{Need, Route, Routes, ServiceRoutes};
use std::sync::Arc;

/// What every handler is given.
type Service = Arc<KeyValueService>;

pub(crate) fn routes(service: &Service, access: Arc<dyn Access>) -> ServiceRoutes {
    let mut mounted = Mounted {
        routes: Routes::new("kv", service.clone(), access),
        value_bytes_max: service.config.value_bytes_max.get(),
    };
    for mount in [values::mount, increment::mount, keys::mount, rules::mount] {
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
    value_bytes_max: usize,
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
