//! One declaration per route. From it come the router (with the authorisation in front of the handler),
//! the OpenAPI operation, and the row of the authorisation table that the tests walk. A route cannot be
//! added without saying whom it is for.

mod authorise;
mod call;
pub mod openapi;
mod record;
mod route;
mod routes;
mod standing;

pub use authorise::{Preset, same_site};
pub use call::{CallRecord, call_credentials, call_project};
pub use record::Recording;
pub use route::{Need, Route, RouteRow};
pub use routes::{Routes, ServiceRoutes};
pub use standing::Standing;
