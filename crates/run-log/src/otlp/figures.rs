//! Figures of minutes that are over, as sums and exponential histograms of that minute (delta temporality).

use super::message::{by_owner, nanos, resource, scope, text_attribute};
use crate::aggregate::{Cell, Histogram, MINUTE_MS};
use crate::store::figures::FiguresRow;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};

/// Buckets grow by 2^(2^-3); see `aggregate/histogram.rs`.
const SCALE: i32 = 3;

pub(super) fn request(rows: &[FiguresRow]) -> ExportMetricsServiceRequest {
    let grouped = by_owner(rows, |row| (row.project.as_str(), row.function.as_str(), row.version.as_str()));
    let resource_metrics = grouped.into_iter().map(|(owner, rows)| ResourceMetrics {
        resource: Some(resource(owner)),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(scope()),
            metrics: rows.into_iter().flat_map(metrics).collect(),
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
}

fn metrics(row: &FiguresRow) -> Vec<Metric> {
    let (minute, cell) = (row.minute, &row.cell);
    let errors = cell.errors.iter().map(|(code, count)| {
        let attributes = vec![text_attribute("error.type", code)];
        NumberDataPoint { attributes, ..number(minute, *count) }
    });
    vec![
        sum("faas.invocations", "{invocation}", vec![number(minute, cell.calls)]),
        sum("faas.coldstarts", "{coldstart}", vec![number(minute, cell.cold_starts)]),
        sum("faas.errors", "{error}", errors.collect()),
        histogram("faas.invoke_duration", minute, &cell.durations),
        histogram("bunbase.queue_wait", minute, &cell.waits),
        sum("bunbase.log_lines_dropped", "{line}", vec![number(minute, cell.lines_dropped)]),
        sum("bunbase.runs_not_kept", "{run}", vec![number(minute, not_kept(cell))]),
    ]
}

fn not_kept(cell: &Cell) -> u64 {
    cell.runs_dropped + cell.runs_sampled_out
}

fn number(minute: i64, count: u64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: nanos(minute * MINUTE_MS),
        time_unix_nano: nanos((minute + 1) * MINUTE_MS),
        value: Some(Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX))),
        ..NumberDataPoint::default()
    }
}

fn sum(name: &str, unit: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Delta.into(),
            is_monotonic: true,
        })),
        ..Metric::default()
    }
}

fn histogram(name: &str, minute: i64, durations: &Histogram) -> Metric {
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: nanos(minute * MINUTE_MS),
        time_unix_nano: nanos((minute + 1) * MINUTE_MS),
        count: durations.count(),
        sum: Some(durations.sum_us as f64),
        max: Some(durations.max_us as f64),
        scale: SCALE,
        positive: Some(Buckets { offset: 0, bucket_counts: durations.buckets().to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    };
    Metric {
        name: name.to_owned(),
        unit: "us".to_owned(),
        data: Some(Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Delta.into(),
        })),
        ..Metric::default()
    }
}
