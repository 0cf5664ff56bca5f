//! The HTTP routes of projects, members, keys and the audit log. Each resource declares its own.

mod audit;
mod client_config;
mod invitations;
mod keys;
mod members;
mod projects;

use crate::service::PlatformService;
use ports::access::Access;
use routes::{Routes, ServiceRoutes};
use std::sync::Arc;

/// What handlers are given.
type Platform = Arc<PlatformService>;

pub(crate) fn routes(service: Platform, access: Arc<dyn Access>) -> ServiceRoutes {
    let resources = [
        projects::mount,
        client_config::mount,
        members::mount,
        invitations::mount,
        keys::mount,
        audit::mount,
    ];
    let routes = Routes::new("platform", service, access);
    resources.into_iter().fold(routes, |routes, mount| mount(routes)).finish()
}
