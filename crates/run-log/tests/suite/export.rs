//! Export over OTLP, against a collector in the test.

use crate::support::{Fixture, newest};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use run_log::{LogLine, OtlpConfig, Run, RunLog, RunLogConfig, RunLogError, RunTrace, SpanKind, Spans};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

enum Got {
    Logs(ExportLogsServiceRequest),
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

/// Answers with what it was told to, then takes everything.
#[derive(Clone)]
struct Collector {
    got: mpsc::UnboundedSender<Got>,
    answers: Arc<Mutex<VecDeque<Status>>>,
    tokens: Arc<Mutex<Vec<Option<String>>>>,
}

impl Collector {
    fn take<T>(&self, request: Request<T>, got: impl FnOnce(T) -> Got) -> Result<(), Status> {
        let token = request.metadata().get("authorization").map(|token| token.to_str().unwrap().to_owned());
        self.tokens.lock().unwrap().push(token);
        if let Some(status) = self.answers.lock().unwrap().pop_front() {
            return Err(status);
        }
        self.got.send(got(request.into_inner())).map_err(|_| Status::aborted("the test is over"))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take(request, Got::Logs).map(|()| Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request, Got::Traces).map(|()| Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.take(request, Got::Metrics).map(|()| Response::new(Default::default()))
    }
}

async fn collector(answers: Vec<Status>) -> (SocketAddr, Collector, mpsc::UnboundedReceiver<Got>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (got, received) = mpsc::unbounded_channel();
    let collector = Collector { got, answers: Arc::new(Mutex::new(answers.into())), tokens: Arc::default() };
    let server = Server::builder()
        .add_service(LogsServiceServer::new(collector.clone()))
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    (address, collector, received)
}

fn config(address: SocketAddr) -> RunLogConfig {
    let otlp = OtlpConfig {
        endpoint: Some(format!("http://{address}")),
        headers: [("Authorization".to_owned(), "Bearer t0ken".into())].into(),
        backoff_ms: 1,
        backoff_ms_max: 5,
        attempts_max: 3,
        ..OtlpConfig::default()
    };
    RunLogConfig { otlp, ..RunLogConfig::default() }
}

async fn next(received: &mut mpsc::UnboundedReceiver<Got>) -> Got {
    tokio::time::timeout(Duration::from_secs(20), received.recv()).await.expect("in time").expect("something")
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key).expect(key);
    let Some(Value::StringValue(text)) = found.value.as_ref().and_then(|value| value.value.as_ref()) else {
        panic!("{key} is no text")
    };
    text
}

#[tokio::test]
async fn lines_arrive_redacted_with_whose_they_are() {
    let (address, collector, mut received) = collector(Vec::new()).await;
    let fixture = Fixture::new(config(address)).await;
    fixture.log.redact(&fixture.project, &fixture.function, vec!["s3cret".into()]);
    let fields = Some("{\"user\": \"ada\", \"n\": 3}".to_owned());
    fixture.log.write(LogLine { fields, level: run_log::Level::Warn, ..fixture.line("a s3cret") });
    fixture.log.flush().await.unwrap();
    let Got::Logs(request) = next(&mut received).await else { panic!("logs") };
    let resource = &request.resource_logs[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(text(attributes, "service.namespace"), fixture.project.as_str());
    assert_eq!(text(attributes, "service.name"), fixture.function.as_str());
    assert_eq!(text(attributes, "service.version"), "v1");
    let record = &resource.scope_logs[0].log_records[0];
    let body = record.body.as_ref().and_then(|body| body.value.clone());
    assert_eq!(body, Some(Value::StringValue("a [redacted]".to_owned())));
    assert_eq!((record.severity_number, record.time_unix_nano), (13, fixture.now_ms() as u64 * 1_000_000));
    assert_eq!(text(&record.attributes, "faas.invocation_id"), "inv_1");
    assert_eq!(text(&record.attributes, "user"), "ada");
    assert_eq!(collector.tokens.lock().unwrap()[0].as_deref(), Some("Bearer t0ken"));
}

#[tokio::test]
async fn sampled_runs_arrive_as_spans_under_their_parents() {
    let (address, _collector, mut received) = collector(Vec::new()).await;
    let fixture = Fixture::new(config(address)).await;
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = fixture.log.begin_trace(&fixture.project, Some(header));
    let spans = Spans::of(trace.context);
    drop(spans.begin(SpanKind::Port, "kv.get"));
    fixture.log.record(Run { trace: RunTrace::root(false), ..fixture.run() });
    fixture.log.record(Run { trace, spans: spans.take().0, ..fixture.failed("timeout") });
    fixture.log.flush().await.unwrap();
    let Got::Traces(request) = next(&mut received).await else { panic!("traces") };
    let spans = &request.resource_spans[0].scope_spans[0].spans;
    let [run, port] = &spans[..] else { panic!("two spans: {spans:?}") };
    assert_eq!(run.trace_id, port.trace_id);
    assert_eq!(run.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!((&port.parent_span_id, port.name.as_str()), (&run.span_id, "kv.get"));
    assert_eq!(run.end_time_unix_nano - run.start_time_unix_nano, 1_500_000);
    assert_eq!(text(&run.attributes, "error.type"), "timeout");
    assert_eq!(run.status.as_ref().unwrap().message, "it did not work");
}

#[tokio::test]
async fn figures_arrive_when_their_minute_is_over() {
    let (address, _collector, mut received) = collector(Vec::new()).await;
    let fixture = Fixture::at(config(address), 1_800_000_000_000).await;
    fixture.log.record(Run { duration_us: 1_024, ..fixture.run() });
    fixture.log.record(fixture.failed("timeout"));
    fixture.log.flush().await.unwrap();
    fixture.set_now_ms(fixture.now_ms() + 120_000);
    fixture.log.flush().await.unwrap();
    let Got::Metrics(request) = next(&mut received).await else { panic!("metrics") };
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let data = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap().data.clone().unwrap();
    let Data::Sum(calls) = data("faas.invocations") else { panic!("a sum") };
    let point = &calls.data_points[0];
    assert_eq!(point.time_unix_nano - point.start_time_unix_nano, 60_000_000_000);
    assert_eq!(format!("{:?}", point.value), "Some(AsInt(2))");
    let Data::ExponentialHistogram(durations) = data("faas.invoke_duration") else { panic!("a histogram") };
    let point = &durations.data_points[0];
    let buckets = &point.positive.as_ref().unwrap().bucket_counts;
    // 1,024 us is the upper bound of bucket 79 of scale 3.
    assert_eq!((point.count, point.scale, buckets[79]), (2, 3, 1));
    let Data::Sum(errors) = data("faas.errors") else { panic!("a sum") };
    assert_eq!(text(&errors.data_points[0].attributes, "error.type"), "timeout");
}

#[tokio::test]
async fn a_busy_collector_is_asked_again_and_a_refusal_is_counted() {
    let busy = || Status::unavailable("later");
    let (address, collector, mut received) = collector(vec![busy(), busy()]).await;
    let fixture = Fixture::new(config(address)).await;
    fixture.log.write(fixture.line("comes the third time"));
    fixture.log.flush().await.unwrap();
    assert!(matches!(next(&mut received).await, Got::Logs(_)));
    assert_eq!((fixture.log.dropped_exports(), collector.tokens.lock().unwrap().len()), (0, 3));
    collector.answers.lock().unwrap().push_back(Status::invalid_argument("never"));
    fixture.log.write(fixture.line("is refused"));
    fixture.log.flush().await.unwrap();
    fixture.log.write(fixture.line("comes"));
    fixture.log.close().await;
    assert!(matches!(next(&mut received).await, Got::Logs(_)));
    assert_eq!((fixture.log.dropped_exports(), fixture.log.dropped()), (1, 0));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config = config(address);
    config.otlp.queue_bytes_max = 4_000;
    config.otlp.attempts_max = u32::MAX;
    config.batch_lines_max = 1;
    let fixture = Fixture::new(config).await;
    for number in 0..100 {
        fixture.log.write(fixture.line(&number.to_string()));
    }
    assert_eq!(fixture.query(newest(1_000)).await.lines.len(), 100);
    let lost = fixture.log.dropped_exports();
    assert!((50..100).contains(&lost), "{lost}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_address_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let otlp = OtlpConfig { endpoint: Some("not an address".to_owned()), ..OtlpConfig::default() };
    let opened = RunLog::open(directory.path(), RunLogConfig { otlp, ..RunLogConfig::default() }).await;
    assert!(matches!(opened.err(), Some(RunLogError::Otlp { .. })));
}
