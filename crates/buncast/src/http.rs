//! The routes. Each resource is declared once and mounted twice: for project keys, and for developers of a
//! project named in the path. Handlers extract, ask the rules, make one call, and map the answer.

mod close;
mod extract;
mod message;
mod operator;
mod publish;
mod rules;
mod sse;
mod subscribe;
mod topics;
mod types;
mod ws;

use crate::service::BuncastService;
use ::routes::{Need, Route, Routes, ServiceRoutes};
use axum::handler::Handler;
use ports::access::{Access, Action};
use std::sync::Arc;

/// What every handler is given.
type Service = Arc<BuncastService>;

pub(crate) fn routes(service: &Service, access: Arc<dyn Access>) -> ServiceRoutes {
    let mut mounted = Mounted(Routes::new("events", service.clone(), access));
    for mount in [topics::mount, subscribe::mount, rules::mount] {
        mounted = mount(mounted);
    }
    mounted = publish::mount(mounted, service.config.payload_bytes_max);
    operator::mount(mounted).0.finish()
}

/// One resource and method, before it is mounted.
struct Endpoint {
    method: fn(&'static str, Need) -> Route,
    /// With a key, and with the project in the path.
    paths: [&'static str; 2],
    action: Action,
}

struct Mounted(Routes<Service>);

impl Mounted {
    fn both<H, T>(self, endpoint: &Endpoint, describe: impl Fn(Route) -> Route, handler: H) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        let [with_key, in_project] = endpoint.paths;
        let key = describe((endpoint.method)(with_key, Need::Key(endpoint.action)));
        let project = describe((endpoint.method)(in_project, Need::Project(endpoint.action)));
        Self(self.0.add(key, handler.clone()).add(project, handler))
    }
}
