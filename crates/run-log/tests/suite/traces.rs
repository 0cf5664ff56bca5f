//! Traces: begun or continued, kept in memory and in the store, sampled or not.

use crate::support::{Fixture, some_runs};
use run_log::{Run, RunLogConfig, RunTrace, SpanKind, Spans, TraceContext, TraceId};
use service_kit::ids::{FunctionId, ProjectId};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traced(fixture: &Fixture, trace: RunTrace) -> Run {
    let spans = Spans::of(trace.context);
    let handler = spans.begin(SpanKind::Handler, "handler");
    drop(handler.begin(SpanKind::Port, "documents.find places"));
    drop(handler);
    Run { trace, spans: spans.take().0, ..fixture.run() }
}

#[tokio::test]
async fn the_decision_of_the_caller_holds() {
    let fixture =
        Fixture::new(RunLogConfig { project_traces_per_second: 0, ..RunLogConfig::default() }).await;
    let sampled = fixture.log.begin_trace(&fixture.project, Some(SAMPLED));
    assert!(sampled.context.sampled);
    assert_eq!(sampled.context.trace_id, TraceContext::parse(SAMPLED).unwrap().trace_id);
    assert_eq!(sampled.parent, Some(TraceContext::parse(SAMPLED).unwrap().span_id));
    let not_sampled = fixture.log.begin_trace(&fixture.project, Some(&SAMPLED.replace("-01", "-00")));
    assert!(!not_sampled.context.sampled);
    let invalid = fixture.log.begin_trace(&fixture.project, Some("00-nonsense"));
    assert!(invalid.parent.is_none() && !invalid.context.sampled);
    fixture.log.record(traced(&fixture, not_sampled));
    assert_eq!(fixture.log.traces(&fixture.project, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn traces_that_begin_here_are_sampled_up_to_a_rate() {
    let fixture =
        Fixture::new(RunLogConfig { project_traces_per_second: 3, ..RunLogConfig::default() }).await;
    let sampled =
        || (0..10).filter(|_| fixture.log.begin_trace(&fixture.project, None).context.sampled).count();
    assert_eq!((sampled(), sampled()), (3, 0));
    assert!(fixture.log.begin_trace(&ProjectId::generate(), None).context.sampled);
    fixture.set_now_ms(fixture.now_ms() + 1_000);
    assert_eq!(sampled(), 3);
}

#[tokio::test]
async fn a_trace_is_put_together_from_the_runs_of_its_project() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let outer = traced(&fixture, RunTrace::root(true));
    let port = outer.spans.iter().find(|span| span.kind == SpanKind::Port).unwrap();
    let port = TraceContext { span_id: port.id, ..outer.trace.context };
    let inner = Run { started_at_ms: fixture.now_ms() + 1, ..traced(&fixture, RunTrace::under(&port)) };
    let foreign = Run { project: ProjectId::generate(), ..traced(&fixture, RunTrace::under(&port)) };
    let trace_id = outer.trace.context.trace_id;
    for run in [inner.clone(), outer.clone(), foreign] {
        fixture.log.record(run);
    }
    let found = fixture.log.trace(&fixture.project, trace_id).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, [&*outer.id, &*inner.id]);
    assert_eq!((&found[0].spans, found[1].parent_span_id), (&outer.spans, Some(port.span_id)));
    assert_eq!(fixture.log.trace(&fixture.project, TraceId::generate()).await.unwrap(), []);
    let again = fixture.again(RunLogConfig::default()).await;
    let stored = again.log.trace(&fixture.project, trace_id).await.unwrap();
    assert_eq!(stored.iter().map(|run| &run.spans).collect::<Vec<_>>(), [&outer.spans, &inner.spans]);
}

#[tokio::test]
async fn memory_keeps_the_newest_traces_of_each_project() {
    let config = RunLogConfig { project_traces_max: 5, traces_max: 8, ..RunLogConfig::default() };
    let fixture = Fixture::new(config).await;
    let (other, function) = (ProjectId::generate(), FunctionId::generate());
    let write = |number: i32, run: Run| fixture.log.record(Run { id: number.to_string().into(), ..run });
    for number in 0..9 {
        write(number, traced(&fixture, RunTrace::root(true)));
    }
    let ids = async |project: &ProjectId| {
        let traces = fixture.log.traces(project, None, 100).await.unwrap();
        traces.into_iter().map(|run| run.id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&fixture.project).await, "8 7 6 5 4");
    for number in 10..19 {
        let run = traced(&fixture, RunTrace::root(true));
        write(number, Run { project: other.clone(), function: function.clone(), ..run });
    }
    // Two projects share what memory has.
    assert_eq!(ids(&other).await, "18 17 16 15");
    assert_eq!(ids(&fixture.project).await, "8 7 6 5");
    assert_eq!(fixture.log.traces(&other, Some(&fixture.function), 9).await.unwrap(), []);
    fixture.log.purge(&other).await.unwrap();
    assert_eq!(ids(&other).await, "");
    assert_eq!(fixture.run_ids(some_runs(100)).await.len(), 9);
}
