//! A service in another process: one lazy HTTP/2 connection, a deadline for each call, a bound on calls in
//! flight. A failed connection is made again with the next call.

use crate::address::Address;
use crate::config::{RpcConfig, RpcConfigError};
use crate::credential::Signer;
use crate::service::Service;
use crate::status::is_from_port;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

/// A channel that signs its calls.
pub(crate) type Signed = InterceptedService<Channel, Signer>;

/// The other process, for one port.
#[derive(Clone)]
pub(crate) struct Remote {
    service: Service,
    channel: Signed,
    timeout: Duration,
    places: Arc<Semaphore>,
}

/// Where and as whom to call.
pub(crate) struct Target<'a> {
    pub(crate) service: Service,
    pub(crate) address: &'a Address,
    pub(crate) signer: Signer,
    pub(crate) timeout_ms: u64,
}

impl Remote {
    pub(crate) fn new(config: &RpcConfig, target: Target<'_>) -> Result<Self, RpcConfigError> {
        let url = target.address.as_url();
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|source| RpcConfigError::Address { url: url.to_owned(), source })?
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .http2_keep_alive_interval(Duration::from_millis(config.keepalive_ms))
            .keep_alive_timeout(Duration::from_millis(config.keepalive_ms))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(Self {
            service: target.service,
            channel: InterceptedService::new(endpoint.connect_lazy(), target.signer),
            timeout: Duration::from_millis(target.timeout_ms),
            places: Arc::new(Semaphore::new(config.calls_in_flight_max)),
        })
    }

    pub(crate) fn service(&self) -> Service {
        self.service
    }

    pub(crate) fn channel(&self) -> Signed {
        self.channel.clone()
    }

    /// Makes one call within its time; waiting for a place is part of it.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        let placed = async {
            let _place =
                self.places.acquire().await.map_err(|_| Status::unavailable("the client has ended"))?;
            call.await
        };
        let late = || Status::deadline_exceeded(format!("`{}` did not answer in time", self.service));
        let answer = tokio::time::timeout(self.timeout, placed).await.unwrap_or_else(|_| Err(late()));
        answer.map(Response::into_inner).inspect_err(|status| self.note(status))
    }

    /// What a person has to mend is said aloud.
    fn note(&self, status: &Status) {
        if is_from_port(status) {
            return;
        }
        let (service, reason) = (self.service, status.message());
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => {
                tracing::error!(%service, reason, "the service refuses this process");
            }
            code => tracing::debug!(%service, ?code, reason, "a call to another process failed"),
        }
    }
}
