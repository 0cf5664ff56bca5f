//! Runs cases against a target, each in a collection of its own.

use crate::case::{Case, Expectation, Find, Operation};
use crate::json::Json;
use crate::report::{Outcome, Report};
use async_trait::async_trait;
use serde_json::value::RawValue;

/// What was refused, or what did not work at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code (`invalid_query`).
    pub code: String,
    /// For people.
    pub message: String,
}

/// Something that keeps documents.
#[async_trait]
pub trait Target: Send {
    /// Creates the collection with these documents, which are JSON objects.
    async fn load(&mut self, collection: &str, documents: &[Box<RawValue>]) -> Result<(), Failure>;

    /// Creates an index, and returns when it is in use.
    async fn index(&mut self, collection: &str, spec: &RawValue) -> Result<(), Failure>;

    /// Does what is asked; the answer is JSON text as `README.md` says for each operation.
    async fn apply(&mut self, collection: &str, operation: &Operation) -> Result<String, Failure>;
}

/// Runs all cases.
pub async fn run(target: &mut dyn Target, cases: &[Case]) -> Report {
    let mut outcomes = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        let mut problem = run_once(target, case, &format!("case-{number}"), None).await.err();
        for (position, index) in case.indexes.iter().enumerate() {
            let collection = format!("case-{number}-{position}");
            let outcome = run_once(target, case, &collection, Some(index)).await;
            let told = outcome.err().map(|text| format!("with the index {index}: {text}"));
            problem = problem.or(told);
        }
        outcomes.push(Outcome {
            name: case.name.clone(),
            operators: case.operators.clone(),
            refusal: matches!(case.expectation, Expectation::Error(_)),
            problem,
        });
    }
    Report::new(outcomes)
}

async fn run_once(
    target: &mut dyn Target,
    case: &Case,
    collection: &str,
    index: Option<&RawValue>,
) -> Result<(), String> {
    let told = |failure: Failure| format!("could not begin: {} ({})", failure.message, failure.code);
    target.load(collection, &case.documents).await.map_err(told)?;
    if let Some(index) = index {
        target.index(collection, index).await.map_err(told)?;
    }
    let answer = target.apply(collection, &case.operation).await;
    check(&case.expectation, answer)?;
    let Some(after) = &case.after else { return Ok(()) };
    let all = target.apply(collection, &Operation::Find(Find::default())).await;
    check_result(after, all).map_err(|text| format!("afterwards: {text}"))
}

fn check(expectation: &Expectation, answer: Result<String, Failure>) -> Result<(), String> {
    match expectation {
        Expectation::Result(expected) => check_result(expected, answer),
        Expectation::Ids(expected) => {
            let found = parse(answer)?;
            let expected = Json::List(expected.iter().cloned().map(Json::Text).collect());
            compare(&expected, &ids(&found).ok_or_else(|| format!("no list of documents: {found}"))?)
        }
        Expectation::Error(code) => match answer {
            Err(failure) if failure.code == *code => Ok(()),
            Err(failure) => Err(format!("expected {code}, got {} ({})", failure.code, failure.message)),
            Ok(answer) => Err(format!("expected {code}, got {answer}")),
        },
    }
}

fn check_result(expected: &Json, answer: Result<String, Failure>) -> Result<(), String> {
    compare(expected, &parse(answer)?)
}

fn parse(answer: Result<String, Failure>) -> Result<Json, String> {
    let text = answer.map_err(|failure| format!("{}: {}", failure.code, failure.message))?;
    Json::parse(&text).map_err(|error| format!("the answer is malformed ({error}): {text}"))
}

fn compare(expected: &Json, actual: &Json) -> Result<(), String> {
    if expected.accepts(actual) { Ok(()) } else { Err(format!("expected {expected}\n         got {actual}")) }
}

fn ids(found: &Json) -> Option<Json> {
    match found {
        Json::List(documents) => documents
            .iter()
            .map(|document| document.field("_id").cloned())
            .collect::<Option<_>>()
            .map(Json::List),
        _ => None,
    }
}
