//! Calls of functions to their project's routes: to the routers of this process, or to the process that
//! serves the path.

use async_trait::async_trait;
use bytes::Bytes;
use gateway::InsideApi;
use ports::access::Grant;
use ports::project_api::ProjectApi;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The routes of every process as one `ProjectApi`.
pub(crate) struct RoutedApi {
    here: InsideApi,
    elsewhere: BTreeMap<&'static str, Arc<dyn ProjectApi>>,
}

impl RoutedApi {
    /// Calls go to `here`; those for a service in `elsewhere`, by its name, there.
    pub(crate) fn new(here: InsideApi, elsewhere: BTreeMap<&'static str, Arc<dyn ProjectApi>>) -> Self {
        Self { here, elsewhere }
    }
}

#[async_trait]
impl ProjectApi for RoutedApi {
    async fn call(&self, grant: Grant, request: http::Request<Bytes>) -> http::Response<Bytes> {
        match self.elsewhere.get(gateway::service_of(request.uri().path())) {
            Some(other) => other.call(grant, request).await,
            None => self.here.call(grant, request).await,
        }
    }
}
