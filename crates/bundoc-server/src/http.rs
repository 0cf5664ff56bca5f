//! The routes. Each resource is declared once and mounted twice: for project keys, and for developers of
//! a project named in the path. Handlers extract, make one call, and map the answer.

mod admission;
mod aliases;
mod batch;
mod change;
mod collections;
mod count;
mod documents;
mod explain;
mod extract;
mod fields;
mod group_indexes;
mod group_query;
mod indexes;
mod live;
mod modify;
mod object;
mod preconditions;
mod query;
mod rules;
mod rules_check;
mod stats;
mod transactions;

use self::admission::{Door, admit};
use crate::metrics::Operation;
use crate::service::BundocServer;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use ports::access::{Access, Action};
use routes::{Need, Route, Routes, ServiceRoutes};
use std::sync::Arc;

/// What every handler is given.
type Server = Arc<BundocServer>;

pub(crate) fn routes(server: &Server, access: Arc<dyn Access>) -> ServiceRoutes {
    let routes = Routes::new("documents", server.clone(), access);
    let mut mounted = Mounted { routes, server: server.clone() };
    let resources = [
        collections::mount,
        rules::mount,
        rules_check::mount,
        indexes::mount,
        group_indexes::mount,
        query::mount,
        group_query::mount,
        count::mount,
        explain::mount,
        modify::mount,
        live::mount,
        batch::mount,
        transactions::mount,
        stats::mount,
        aliases::mount,
        documents::mount,
    ];
    for mount in resources {
        mounted = mount(mounted);
    }
    mounted.routes.finish()
}

/// One resource and method, before it is mounted.
struct Endpoint {
    method: fn(&'static str, Need) -> Route,
    /// With a key, and with the project in the path; see `paths!`.
    paths: [&'static str; 2],
    action: Action,
    operation: Operation,
    /// What stands in OpenAPI.
    describe: fn(Route) -> Route,
}

/// The two paths of a resource.
macro_rules! paths {
    ($path:literal) => {
        [concat!("/v1/database", $path), concat!("/v1/projects/{project}/database", $path)]
    };
}
use paths;

struct Mounted {
    routes: Routes<Server>,
    server: Server,
}

impl Mounted {
    fn both<H, T>(self, endpoint: &Endpoint, handler: H) -> Self
    where
        H: Handler<T, Server>,
        T: 'static,
    {
        let [with_key, in_project] = endpoint.paths;
        let mounted = self.one(endpoint, with_key, Need::Key(endpoint.action), handler.clone());
        mounted.one(endpoint, in_project, Need::Project(endpoint.action), handler)
    }

    fn one<H, T>(mut self, endpoint: &Endpoint, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Server>,
        T: 'static,
    {
        let door = Door { server: self.server.clone(), operation: endpoint.operation };
        let route = (endpoint.describe)((endpoint.method)(path, need));
        self.routes = self.routes.add(route, handler.layer(from_fn_with_state(door, admit)));
        self
    }
}
