//! One listener for everything, and a Unix socket beside it: HTTP/1.1, HTTP/2 and gRPC, routing by path, request ids, CORS, limits,
//! drain, and the pages about the process itself (`/`, `/health`, `/ready`, `/metrics`, `/openapi.json`) and
//! the one that links in mails lead to (`/auth/action`).
//!
//! It routes and limits; it never authenticates: each service's own routes ask for access, so that a
//! service is as closed on a port of its own. Function calls go from hyper straight to the executor
//! (`Front`), before axum and its layers; requests for services of other processes are passed on to them
//! (`Upstreams`).

mod alias;
mod body;
mod config;
mod connection;
mod cors;
mod dispatch;
mod grpc;
mod inside;
mod lean;
mod listener;
mod pages;
mod peer;
mod proxy;
mod system;
mod unix;
mod upstreams;

pub use body::RequestBody;
pub use config::{GatewayConfig, InvalidPublicUrl, PublicUrl};
pub use dispatch::{Answer, Front, Gateway, GatewayParts};
pub use inside::InsideApi;
pub use listener::{BindError, Listener};
pub use unix::{SocketError, UnixListener};
pub use upstreams::{InvalidUpstream, Upstreams, service_of};
