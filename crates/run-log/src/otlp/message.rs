//! What all messages share: attributes, moments, and whose they are. A version of a function is a resource:
//! `service.namespace` is the project, `service.name` the function, `service.version` the version.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::collections::BTreeMap;

/// Bytes of one request, about: collectors take 4 MiB.
const REQUEST_BYTES: usize = 2 << 20;

/// Project, function, version.
pub(super) type Owner<'a> = (&'a str, &'a str, &'a str);

pub(super) fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.into())) }
}

pub(super) fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

pub(super) fn text_attribute(key: &str, value: &str) -> KeyValue {
    attribute(key, text(value))
}

pub(super) fn number_attribute(key: &str, value: i64) -> KeyValue {
    attribute(key, AnyValue { value: Some(Value::IntValue(value)) })
}

pub(super) fn resource((project, function, version): Owner<'_>) -> Resource {
    let attributes = vec![
        text_attribute("service.namespace", project),
        text_attribute("service.name", function),
        text_attribute("service.version", version),
    ];
    Resource { attributes, ..Resource::default() }
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "bunbase".to_owned(), ..InstrumentationScope::default() }
}

pub(super) fn nanos(at_ms: i64) -> u64 {
    u64::try_from(at_ms).unwrap_or(0).saturating_mul(1_000_000)
}

/// Puts together what has the same owner.
pub(super) fn by_owner<'a, T>(
    items: &'a [T],
    owner: impl Fn(&'a T) -> Owner<'a>,
) -> BTreeMap<Owner<'a>, Vec<&'a T>> {
    let mut grouped = BTreeMap::<_, Vec<&T>>::new();
    for item in items {
        grouped.entry(owner(item)).or_default().push(item);
    }
    grouped
}

/// Cuts a batch into requests that a collector takes.
pub(super) fn requests<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut requests, mut start, mut used) = (Vec::new(), 0, 0);
    for (index, item) in items.iter().enumerate() {
        let more = bytes(item);
        if used + more > REQUEST_BYTES && index > start {
            requests.push(&items[start..index]);
            (start, used) = (index, 0);
        }
        used += more;
    }
    if start < items.len() {
        requests.push(&items[start..]);
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_stay_small_and_nothing_is_left_out() {
        let sizes = [1 << 20, 1 << 20, 1, 3 << 20, 5];
        let cut: Vec<Vec<usize>> =
            requests(&sizes, |size| *size).into_iter().map(<[usize]>::to_vec).collect();
        assert_eq!(cut, [vec![1 << 20, 1 << 20], vec![1], vec![3 << 20], vec![5]]);
        assert_eq!(requests(&[] as &[usize], |size| *size).len(), 0);
    }
}
