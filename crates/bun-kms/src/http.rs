//! The routes. Each is declared once and mounted twice: under `/v1/kms` for project keys, and under
//! `/v1/projects/{project}/kms` for members. Handlers extract, make one call, and map the answer.

mod audit;
mod crypt;
mod extract;
mod keys;
mod secrets;
mod text;

use crate::kms::Kms;
use axum::handler::Handler;
use ports::access::{Access, Action};
use routes::{Need, Route, Routes, ServiceRoutes};
use std::sync::Arc;

/// What every handler is given.
type Shared = Arc<Kms>;

/// Bytes of a body besides what it carries: names, `aad`, JSON.
const BODY_REST_BYTES: usize = 64 << 10;

pub(crate) fn routes(kms: &Arc<Kms>, access: Arc<dyn Access>) -> ServiceRoutes {
    let mut mounted = Mounted { kms: kms.clone(), routes: Routes::new("kms", kms.clone(), access) };
    for mount in [keys::mount, crypt::mount, secrets::mount, audit::mount] {
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
    /// What stands in OpenAPI.
    describe: fn(Route) -> Route,
    /// The largest body.
    body: Body,
}

/// What a body carries.
#[derive(Clone, Copy)]
enum Body {
    /// Nothing, or names.
    Small,
    /// The value of a secret.
    Value,
    /// What is encrypted, decrypted, signed or verified.
    Payload,
}

impl Body {
    /// Twice what is carried: base64 takes a third more, text in JSON may be escaped.
    fn bytes_max(self, kms: &Kms) -> usize {
        let carried = match self {
            Self::Small => 0,
            Self::Value => kms.config.secret_bytes_max,
            Self::Payload => kms.config.payload_bytes_max,
        };
        carried.saturating_mul(2).saturating_add(BODY_REST_BYTES)
    }
}

/// The two paths of a resource.
macro_rules! paths {
    ($path:literal) => {
        [concat!("/v1/kms", $path), concat!("/v1/projects/{project}/kms", $path)]
    };
}
use paths;

struct Mounted {
    kms: Arc<Kms>,
    routes: Routes<Arc<Kms>>,
}

impl Mounted {
    fn both<H, T>(self, endpoint: &Endpoint, handler: H) -> Self
    where
        H: Handler<T, Arc<Kms>>,
        T: 'static,
    {
        let [with_key, in_project] = endpoint.paths;
        let mounted = self.one(endpoint, (with_key, Need::Key(endpoint.action)), handler.clone());
        mounted.one(endpoint, (in_project, Need::Project(endpoint.action)), handler)
    }

    fn one<H, T>(mut self, endpoint: &Endpoint, (path, need): (&'static str, Need), handler: H) -> Self
    where
        H: Handler<T, Arc<Kms>>,
        T: 'static,
    {
        let route = (endpoint.method)(path, need).body_bytes_max(endpoint.body.bytes_max(&self.kms));
        self.routes = self.routes.add((endpoint.describe)(route), handler);
        self
    }
}
