//! One listener for everything: HTTP/1.1 and HTTP/2, routing by path, request ids, CORS, limits, drain,
//! and the pages about the process itself (`/`, `/health`, `/ready`, `/metrics`, `/openapi.json`).
//!
//! It routes and limits; it never authenticates: each service's own routes ask for access, so that a
//! service is as closed on a port of its own. Function calls go from hyper straight to the executor
//! (`Front`), before axum and its layers.

mod alias;
mod body;
mod config;
mod cors;
mod dispatch;
mod inside;
mod listener;
mod system;

pub use body::RequestBody;
pub use config::GatewayConfig;
pub use dispatch::{Answer, Front, Gateway, GatewayParts};
pub use inside::InsideApi;
pub use listener::{BindError, Listener};
