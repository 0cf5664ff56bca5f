//! What came of a run.

use std::collections::BTreeMap;
use std::fmt;

/// What came of one case.
#[derive(Debug)]
pub struct Outcome {
    /// `area/file: name`.
    pub name: String,
    /// The operators that it is about.
    pub operators: Vec<String>,
    /// Whether it is about something that has to be refused.
    pub refusal: bool,
    /// Why it failed; `None` where it passed.
    pub problem: Option<String>,
}

/// What came of all.
#[derive(Debug)]
pub struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(crate) fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes }
    }

    /// The cases that failed.
    pub fn failures(&self) -> Vec<&Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.problem.is_some()).collect()
    }

    /// How many cases of an area show an operator at work.
    pub fn shown(&self, area: &str) -> BTreeMap<&str, usize> {
        let mut shown = BTreeMap::new();
        let in_area = |outcome: &&Outcome| outcome.name.split('/').next() == Some(area);
        let shows = |outcome: &&Outcome| !outcome.refusal && outcome.problem.is_none();
        for outcome in self.outcomes.iter().filter(in_area).filter(shows) {
            for operator in &outcome.operators {
                *shown.entry(operator.as_str()).or_default() += 1;
            }
        }
        shown
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = self.failures();
        writeln!(f, "{} of {} cases failed", failures.len(), self.outcomes.len())?;
        for outcome in failures {
            writeln!(f, "- {}\n    {}", outcome.name, outcome.problem.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }
}
