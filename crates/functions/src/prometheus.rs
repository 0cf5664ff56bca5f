//! Figures of a project's functions in Prometheus's text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Each sample has the labels `function` and
//! `version`, so an answer is bounded by the number of its versions. Names of functions and versions (`names.rs`) and
//! codes of errors have nothing in them that would have to be escaped.

use crate::runtime::Activity;
use run_log::{Buckets, VersionTotals};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::Arc;

/// Versions in one answer, about 60 samples each: those with the most calls.
const VERSIONS_MAX: usize = 500;

/// What is known of a version.
#[derive(Debug, Default)]
pub(crate) struct Version {
    /// Where it was called lately.
    pub(crate) totals: Option<VersionTotals>,
    /// Where it takes calls.
    pub(crate) now: Option<Activity>,
}

impl Version {
    fn calls(&self) -> u64 {
        self.totals.as_ref().map_or(0, |totals| totals.calls)
    }
}

/// By function and version.
type Versions = BTreeMap<(String, Arc<str>), Version>;

/// The whole answer.
pub(crate) fn text(mut versions: Versions) -> String {
    let left_out = cut(&mut versions);
    let mut page = Page { versions, text: String::new() };
    page.totals();
    page.activity();
    page.family(&LEFT_OUT);
    page.sample(LEFT_OUT.name, "", left_out);
    page.text
}

/// Leaves those with the most calls, and says how many it took out.
fn cut(versions: &mut Versions) -> usize {
    let left_out = versions.len().saturating_sub(VERSIONS_MAX);
    if left_out > 0 {
        let mut calls: Vec<_> = versions.iter().map(|(key, of)| (of.calls(), key.clone())).collect();
        calls.sort_unstable();
        calls.iter().take(left_out).for_each(|(_, key)| drop(versions.remove(key)));
    }
    left_out
}

struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "histogram", help }
}

const CALLS: Family = counter("bunbase_function_version_calls_total", "Calls that ended.");
const ERRORS: Family = counter("bunbase_function_version_errors_total", "Calls that failed, by code.");
const CANCELLED: Family =
    counter("bunbase_function_version_cancelled_total", "Calls whose callers went away.");
const COLD_STARTS: Family =
    counter("bunbase_function_version_cold_starts_total", "Calls that a worker was started for.");
const DURATION: Family =
    histogram("bunbase_function_version_duration_seconds", "From the start of a call to the answer.");
const QUEUE_WAIT: Family = histogram("bunbase_function_version_queue_wait_seconds", "Waiting for a worker.");
const WORKERS: Family =
    gauge("bunbase_function_version_workers", "Worker processes, or instances of QuickJS.");
const IN_FLIGHT: Family = gauge("bunbase_function_version_calls_in_flight", "Calls that workers have.");
const QUEUED: Family = gauge("bunbase_function_version_calls_queued", "Calls that wait for a worker.");
const MEMORY: Family = gauge("bunbase_function_version_memory_bytes", "What workers hold.");
const CPU: Family = counter("bunbase_function_version_cpu_seconds_total", "Processor time of workers.");
const LEFT_OUT: Family =
    gauge("bunbase_function_versions_left_out", "Versions that are not here, because there are too many.");

struct Page {
    versions: Versions,
    text: String,
}

impl Page {
    fn totals(&mut self) {
        self.each_total(&CALLS, |page, labels, of| page.sample(CALLS.name, labels, of.calls));
        self.each_total(&ERRORS, |page, labels, of| {
            for (code, count) in &of.errors_by_code {
                page.sample(ERRORS.name, &format!("{labels},code=\"{code}\""), count);
            }
        });
        self.each_total(&CANCELLED, |page, labels, of| page.sample(CANCELLED.name, labels, of.cancelled));
        self.each_total(&COLD_STARTS, |page, labels, of| {
            page.sample(COLD_STARTS.name, labels, of.cold_starts);
        });
        self.each_total(&DURATION, |page, labels, of| page.buckets(DURATION.name, labels, &of.duration));
        self.each_total(&QUEUE_WAIT, |page, labels, of| {
            page.buckets(QUEUE_WAIT.name, labels, &of.queue_wait);
        });
    }

    fn activity(&mut self) {
        self.each_now(&WORKERS, |of| of.workers);
        self.each_now(&IN_FLIGHT, |of| of.in_flight);
        self.each_now(&QUEUED, |of| of.queued);
        self.each_now(&MEMORY, |of| of.memory_bytes);
        self.each_now(&CPU, |of| of.cpu.as_secs_f64());
    }

    fn each_total(&mut self, family: &Family, write: impl Fn(&mut Self, &str, &VersionTotals)) {
        self.family(family);
        let versions = std::mem::take(&mut self.versions);
        for (key, totals) in versions.iter().filter_map(|(key, of)| Some((key, of.totals.as_ref()?))) {
            write(self, &labels(key), totals);
        }
        self.versions = versions;
    }

    fn each_now<T: Display>(&mut self, family: &Family, value: impl Fn(&Activity) -> T) {
        self.family(family);
        let versions = std::mem::take(&mut self.versions);
        for (key, now) in versions.iter().filter_map(|(key, of)| Some((key, of.now.as_ref()?))) {
            self.sample(family.name, &labels(key), value(now));
        }
        self.versions = versions;
    }

    fn family(&mut self, Family { name, kind, help }: &Family) {
        // Writing to a string cannot fail.
        let _written = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _written = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            labels => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }

    fn buckets(&mut self, name: &str, labels: &str, of: &Buckets) {
        for (up_to_us, count) in &of.up_to_us {
            let labels = format!("{labels},le=\"{}\"", seconds(*up_to_us));
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), of.count);
        self.sample(&format!("{name}_sum"), labels, seconds(of.sum_us));
        self.sample(&format!("{name}_count"), labels, of.count);
    }
}

fn labels((function, version): &(String, Arc<str>)) -> String {
    format!("function=\"{function}\",version=\"{version}\"")
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_without_calls_go_first_where_there_are_too_many() {
        let idle = |number: usize| ((format!("f{number}"), Arc::from("v1")), Version::default());
        let mut versions: Versions = (0..VERSIONS_MAX + 2).map(idle).collect();
        let now = Some(Activity { workers: 3, ..Activity::default() });
        let buckets = || Buckets { up_to_us: vec![(128, 1)], count: 2, sum_us: 1_500_000 };
        let totals = VersionTotals {
            function: service_kit::ids::FunctionId::generate(),
            version: "v1".into(),
            calls: 2,
            cancelled: 0,
            cold_starts: 1,
            errors_by_code: BTreeMap::from([("timeout".to_owned(), 1)]),
            duration: buckets(),
            queue_wait: buckets(),
        };
        versions.insert(("called".to_owned(), "v1".into()), Version { totals: Some(totals), now });
        let text = text(versions);
        let labels = "function=\"called\",version=\"v1\"";
        for line in [
            format!("bunbase_function_version_calls_total{{{labels}}} 2"),
            format!("bunbase_function_version_errors_total{{{labels},code=\"timeout\"}} 1"),
            format!("bunbase_function_version_duration_seconds_bucket{{{labels},le=\"0.000128\"}} 1"),
            format!("bunbase_function_version_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
            format!("bunbase_function_version_duration_seconds_sum{{{labels}}} 1.5"),
            format!("bunbase_function_version_workers{{{labels}}} 3"),
            "bunbase_function_versions_left_out 3".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
