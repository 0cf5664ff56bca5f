//! Log lines as log records. Severity numbers are those of the log data model.

use super::message::{attribute, by_owner, nanos, resource, scope, text, text_attribute};
use crate::line::{Level, LogLine};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use serde_json::Value;

pub(super) fn request(lines: &[LogLine]) -> ExportLogsServiceRequest {
    let grouped =
        by_owner(lines, |line| (line.project.as_str(), line.function.as_str(), line.version.as_ref()));
    let resource_logs = grouped.into_iter().map(|(owner, lines)| ResourceLogs {
        resource: Some(resource(owner)),
        scope_logs: vec![ScopeLogs {
            scope: Some(scope()),
            log_records: lines.into_iter().map(record).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

fn record(line: &LogLine) -> LogRecord {
    let mut attributes = Vec::new();
    if let Some(id) = &line.invocation_id {
        attributes.push(text_attribute("faas.invocation_id", id));
    }
    let fields = line.fields.as_deref().and_then(|fields| serde_json::from_str(fields).ok());
    if let Some(Value::Object(fields)) = fields {
        attributes.extend(fields.into_iter().map(|(name, value)| attribute(&name, any(value))));
    }
    LogRecord {
        time_unix_nano: nanos(line.at_ms),
        observed_time_unix_nano: nanos(line.at_ms),
        severity_number: severity(line.level),
        severity_text: line.level.as_str().to_owned(),
        body: Some(text(line.message.as_str())),
        attributes,
        ..LogRecord::default()
    }
}

fn severity(level: Level) -> i32 {
    match level {
        Level::Debug => 5,
        Level::Info => 9,
        Level::Warn => 13,
        Level::Error => 17,
    }
}

fn any(value: Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(value) => Some(Any::BoolValue(value)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Value::String(text) => Some(Any::StringValue(text)),
        Value::Array(items) => {
            Some(Any::ArrayValue(ArrayValue { values: items.into_iter().map(any).collect() }))
        }
        Value::Object(fields) => Some(Any::KvlistValue(KeyValueList {
            values: fields.into_iter().map(|(name, value)| attribute(&name, any(value))).collect(),
        })),
    };
    AnyValue { value }
}
