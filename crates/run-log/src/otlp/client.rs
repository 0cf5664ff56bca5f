//! The three services of a collector, with tries again as the OTLP specification has them ("failures").

use super::config::OtlpConfig;
use crate::error::RunLogError;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use secrecy::ExposeSecret;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

/// Something to send.
#[derive(Debug, Clone)]
pub(super) enum Export {
    Lines(ExportLogsServiceRequest),
    Spans(ExportTraceServiceRequest),
    Figures(ExportMetricsServiceRequest),
}

/// A collector, connected when it is first needed.
pub(super) struct Collector {
    config: OtlpConfig,
    channel: Channel,
    headers: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
}

impl Collector {
    /// Checks the settings.
    pub(super) fn new(config: &OtlpConfig, endpoint: &str) -> Result<Self, RunLogError> {
        let refused = |reason| move |source| RunLogError::Otlp { reason, source };
        let mut address = Endpoint::from_shared(endpoint.to_owned())
            .map_err(|error| refused("`endpoint` is no address")(error.into()))?
            .connect_timeout(Duration::from_millis(config.timeout_ms));
        if endpoint.starts_with("https:") {
            address = address
                .tls_config(ClientTlsConfig::new().with_webpki_roots())
                .map_err(|error| refused("tls cannot be set up")(error.into()))?;
        }
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes())
                .map_err(|error| refused("a header's name is not valid")(error.into()))?;
            let mut value = MetadataValue::try_from(value.expose_secret())
                .map_err(|error| refused("a header's value is not valid")(error.into()))?;
            value.set_sensitive(true);
            headers.push((key, value));
        }
        Ok(Self { config: config.clone(), channel: address.connect_lazy(), headers })
    }

    /// Sends until it is taken or given up; returns how many of its records the collector refused.
    pub(super) async fn send(&self, export: Export) -> Result<i64, Status> {
        let mut wait_ms = self.config.backoff_ms;
        let mut attempt = 1;
        loop {
            let status = match self.send_once(export.clone()).await {
                Ok(refused) => return Ok(refused),
                Err(status) => status,
            };
            if attempt >= self.config.attempts_max || !may_try_again(&status) {
                return Err(status);
            }
            // Up to half of it at random, so that many servers do not come back together.
            let jitter = rand::random::<u64>() % (wait_ms / 2 + 1);
            tokio::time::sleep(Duration::from_millis(wait_ms + jitter)).await;
            wait_ms = (wait_ms * 2).min(self.config.backoff_ms_max);
            attempt += 1;
        }
    }

    async fn send_once(&self, export: Export) -> Result<i64, Status> {
        let timeout = Duration::from_millis(self.config.timeout_ms);
        let late = |_| Status::deadline_exceeded("the collector did not answer in time");
        tokio::time::timeout(timeout, self.call(export)).await.map_err(late)?
    }

    async fn call(&self, export: Export) -> Result<i64, Status> {
        let channel = self.channel.clone();
        match export {
            Export::Lines(request) => {
                let answer = LogsServiceClient::new(channel).export(self.request(request)).await?;
                Ok(answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_log_records))
            }
            Export::Spans(request) => {
                let answer = TraceServiceClient::new(channel).export(self.request(request)).await?;
                Ok(answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_spans))
            }
            Export::Figures(request) => {
                let answer = MetricsServiceClient::new(channel).export(self.request(request)).await?;
                Ok(answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_data_points))
            }
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        request
    }
}

/// The type that a busy collector puts into the details of its answer.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

fn may_try_again(status: &Status) -> bool {
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => status.details().windows(RETRY_INFO.len()).any(|part| part == RETRY_INFO),
        _ => false,
    }
}
