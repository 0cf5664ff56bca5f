//! The operators of MongoDB, and what a run of the cases says about each: supported is what a case shows.

use crate::case::{Case, Expectation, Find, Operation, Update};
use crate::json::Json;
use crate::report::Report;
use serde_json::value::RawValue;
use std::fmt::Write;

/// One operator of MongoDB.
#[derive(Debug, Clone)]
pub struct Operator {
    /// `query`, `projection`, `expression` or `update`.
    pub area: String,
    /// `$eq`, or words where it has no name of its own.
    pub name: String,
    /// How it differs.
    pub note: Option<String>,
}

/// All that are known, by area.
///
/// # Errors
/// Where `operators.json` is malformed.
pub fn operators() -> Result<Vec<Operator>, serde_json::Error> {
    let Json::Object(areas) = Json::parse(include_str!("../operators.json"))? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (area, names) in areas {
        let Json::Object(names) = names else { continue };
        all.extend(names.into_iter().map(|(name, note)| Operator {
            area: area.clone(),
            name,
            note: match note {
                Json::Text(note) => Some(note),
                _ => None,
            },
        }));
    }
    Ok(all)
}

impl Operator {
    /// How many cases show that it works.
    fn shown(&self, report: &Report) -> usize {
        report.shown(&self.area).get(self.name.as_str()).copied().unwrap_or_default()
    }
}

/// The operators that cases name and `operators.json` does not.
pub fn unknown(cases: &[Case], operators: &[Operator]) -> Vec<String> {
    let mut unknown = Vec::new();
    for case in cases {
        let area = case.area();
        let known = |name: &str| operators.iter().any(|known| known.area == area && known.name == name);
        let named = case.operators.iter().filter(|name| !known(name));
        unknown.extend(named.map(|name| format!("{}: `{name}`", case.name)));
    }
    unknown
}

/// Cases that expect each operator that is not supported to be refused, not passed over. An area of which
/// nothing is shown is not asked.
pub fn refusals(operators: &[Operator], report: &Report) -> Vec<Case> {
    let unsupported = operators
        .iter()
        .filter(|operator| operator.shown(report) == 0 && !report.shown(&operator.area).is_empty());
    unsupported.filter_map(refusal).collect()
}

fn refusal(operator: &Operator) -> Option<Case> {
    let name = &operator.name;
    let is_name = name.starts_with('$') && name[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '$');
    if !is_name {
        return None;
    }
    let query =
        |text: String| Operation::Find(Find { query: RawValue::from_string(text).ok(), ..Find::default() });
    let (operation, code) = match operator.area.as_str() {
        "query" => (query(format!(r#"{{"a": {{"{name}": 1}}}}"#)), "invalid_query"),
        "expression" if name.starts_with("$$") => {
            (query(format!(r#"{{"$expr": "{name}"}}"#)), "invalid_query")
        }
        "expression" => (query(format!(r#"{{"$expr": {{"{name}": 1}}}}"#)), "invalid_query"),
        "projection" => {
            let fields = RawValue::from_string(format!(r#"{{"a": {{"{name}": 1}}}}"#)).ok();
            (Operation::Find(Find { fields, ..Find::default() }), "invalid_query")
        }
        _ => {
            let update = RawValue::from_string(format!(r#"{{"{name}": {{"a": 1}}}}"#)).ok()?;
            let update = Update { query: None, update, many: false, upsert: false, array_filters: None };
            (Operation::Update(update), "invalid_update")
        }
    };
    Some(Case {
        name: format!("{}/refused: {name}", operator.area),
        operators: Vec::new(),
        documents: vec![RawValue::from_string(r#"{"_id": "a", "a": 1}"#.to_owned()).ok()?],
        indexes: Vec::new(),
        operation,
        expectation: Expectation::Error(code.to_owned()),
        after: None,
    })
}

const HEAD: &str = "\
# Operators

Which of MongoDB's operators the document database has, and where it differs. This page is written by a run of the
conformance cases (`crates/bundoc-cases`): an operator is supported where cases show it, and the number says how many.
An operator that is not supported is refused with `invalid_query` or `invalid_update`, never passed over.
";

/// The page of operators.
pub fn page(operators: &[Operator], report: &Report) -> String {
    let mut page = HEAD.to_owned();
    let mut area = "";
    for operator in operators {
        if operator.area != area {
            area = &operator.area;
            let title = area[..1].to_uppercase() + &area[1..];
            // Writing to a string does not fail.
            let _ = write!(
                page,
                "\n## {title}\n\n| operator | supported | cases | differs |\n|---|---|---|---|\n"
            );
        }
        let (shown, note) = (operator.shown(report), operator.note.as_deref().unwrap_or_default());
        let supported = match (shown, note) {
            (0, _) => "no",
            (_, "") => "yes",
            _ => "with differences",
        };
        let count = if shown == 0 { String::new() } else { shown.to_string() };
        let _ = writeln!(page, "| `{}` | {supported} | {count} | {note} |", operator.name);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::load;

    #[test]
    fn every_operator_that_a_case_names_is_known() {
        assert_eq!(unknown(&load().unwrap(), &operators().unwrap()), Vec::<String>::new());
    }
}
