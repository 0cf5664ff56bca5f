//! Composition: starts the services that this process runs, binds each port to the service in this process
//! or to its client, and puts their routes behind one gateway.

mod assembly;
mod inside;
mod no_secrets;
mod wire;

use crate::data_dir::DataDir;
use crate::settings::Settings;
use assembly::Assembly;
use axum::body::Body;
use functions::InvocationFront;
use gateway::{Answer, Front, Gateway, GatewayParts, InsideApi, RequestBody};
use http::Request;
use inside::RoutedApi;
use metrics_exporter_prometheus::PrometheusHandle;
use ports::project_api::ProjectApi;
use rpc::Service;
use service_kit::drain::Drain;
use std::sync::Arc;

pub(crate) use assembly::Services;

/// What a running server consists of.
pub(crate) struct Composed {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) services: Services,
}

/// What a process is made of besides its settings.
pub(crate) struct Surroundings<'a> {
    pub(crate) data: &'a DataDir,
    pub(crate) drain: Drain,
    pub(crate) metrics: PrometheusHandle,
}

/// Starts the services and joins them behind a gateway.
pub(crate) async fn compose(settings: Settings, around: Surroundings<'_>) -> anyhow::Result<Composed> {
    let Surroundings { data, drain, metrics } = around;
    let mut assembly = Assembly::new(settings, data, drain.clone())?;
    assembly.start_stores().await?;
    assembly.start_identity().await?;
    assembly.start_functions().await?;
    assembly.open_jobs().await?;
    assembly.start_platform().await?;
    let Assembly { wire, settings, services, access, health, .. } = assembly;
    let access = access.ok_or_else(|| anyhow::anyhow!("nobody decides about access"))?;

    let front = services.functions.as_ref().map(|functions| {
        let front: Arc<dyn Front> = Arc::new(FunctionCalls(functions.front(access.clone())));
        front
    });
    let gateway = Gateway::new(GatewayParts {
        config: settings.gateway,
        services: services.routes(&access),
        front,
        upstreams: wire.upstreams()?,
        access: access.clone(),
        health,
        drain: drain.clone(),
        metrics: Arc::new(move || metrics.render()),
    });
    if let Some(functions) = &services.functions {
        let api = RoutedApi::new(InsideApi::new(gateway.router()), wire.project_apis()?);
        let api: Arc<dyn ProjectApi> = Arc::new(api);
        functions.bind_project_api(api.clone());
        if wire.knows(Service::BunderManager) && !wire.runs(Service::BunderManager) {
            functions.share_rate_limits(api.clone());
        }
        functions.start_triggers(api).await?;
    }
    let gateway = services.over_grpc(&access).into_iter().fold(gateway, Gateway::with_rpc);
    let gateway = match wire.server(drain)? {
        Some(server) => {
            let inside = Arc::new(InsideApi::new(gateway.router()));
            gateway.with_rpc(services.offer(server, &access).project_api(inside).finish())
        }
        None => gateway,
    };
    Ok(Composed { gateway: Arc::new(gateway), services })
}

/// The executor of functions as the gateway's front.
struct FunctionCalls(InvocationFront);

impl Front for FunctionCalls {
    fn claims(&self, path: &str) -> bool {
        InvocationFront::claims(path)
    }

    fn claims_as_it_is(&self, host: &str, path: &str) -> bool {
        self.0.claims_as_it_is(host, path)
    }

    fn call(&self, request: Request<RequestBody>) -> Answer {
        let front = self.0.clone();
        Box::pin(async move { front.call(request).await.map(Body::new) })
    }
}
