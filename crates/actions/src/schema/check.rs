//! Checking: what TypeBox's `Value.Check` and `Value.Errors` say of JSON.

use super::node::{Additional, Counts, Items, Kind, Node, Numeric, Properties, Record, Text};
use super::{ERRORS_MAX, FieldError};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Where in a value; made of nothing until an error is told.
#[derive(Clone, Copy)]
enum Place<'a> {
    Whole,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

/// Takes errors; none of them where it only matters that there is one.
struct Report(Option<Vec<FieldError>>);

impl Node {
    pub(super) fn matches(&self, value: &Value) -> bool {
        self.check(value, Place::Whole, &mut Report(None))
    }

    /// The first error of each place.
    pub(super) fn errors(&self, value: &Value) -> Vec<FieldError> {
        let mut report = Report(Some(Vec::new()));
        self.check(value, Place::Whole, &mut report);
        report.0.unwrap_or_default()
    }

    fn check(&self, value: &Value, at: Place<'_>, report: &mut Report) -> bool {
        match (&self.kind, value) {
            (Kind::Any, _) | (Kind::Null, Value::Null) | (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::String(text), Value::String(value)) => text.check(value, at, report),
            (Kind::Number(numeric), Value::Number(value)) => {
                let number = value.as_f64().unwrap_or(f64::NAN);
                let is_right = !numeric.is_integer || number.fract() == 0.0;
                if is_right { numeric.check(number, at, report) } else { report.add(at, self.expected()) }
            }
            (Kind::Literal { value: constant, .. }, _) if is_same(constant, value) => true,
            (Kind::Array(items), Value::Array(values)) => items.check(values, at, report),
            (Kind::Tuple { nodes, message }, Value::Array(values)) => {
                tuple(nodes, message, values, at, report)
            }
            (Kind::Object(object), Value::Object(fields)) => object.check(fields, at, report),
            (Kind::Record(record), Value::Object(fields)) => record.check(fields, at, report),
            (Kind::Union(nodes), _) if nodes.iter().any(|node| node.matches(value)) => true,
            (Kind::Intersect(nodes), _) => {
                let check = |is_right, node: &Self| node.check(value, at, report) & is_right;
                nodes.iter().fold(true, check) || report.add(at, self.expected())
            }
            _ => report.add(at, self.expected()),
        }
    }

    /// What is said of a value of another type.
    fn expected(&self) -> &str {
        match &self.kind {
            Kind::Any | Kind::Never => "Never",
            Kind::Null => "Expected null",
            Kind::Boolean => "Expected boolean",
            Kind::String(_) => "Expected string",
            Kind::Number(numeric) if numeric.is_integer => "Expected integer",
            Kind::Number(_) => "Expected number",
            Kind::Literal { message, .. } => message,
            Kind::Array(_) => "Expected array",
            Kind::Tuple { .. } => "Expected tuple",
            Kind::Object(_) | Kind::Record(_) => "Expected object",
            Kind::Union(_) => "Expected union value",
            Kind::Intersect(_) => "Expected all values to match",
        }
    }
}

/// `===`: JavaScript has one kind of number.
fn is_same(constant: &Value, value: &Value) -> bool {
    match (constant, value) {
        (Value::Number(constant), Value::Number(value)) => constant.as_f64() == value.as_f64(),
        _ => constant == value,
    }
}

impl Text {
    pub(super) fn holds(&self, value: &str) -> bool {
        self.check(value, Place::Whole, &mut Report(None))
    }

    fn check(&self, value: &str, at: Place<'_>, report: &mut Report) -> bool {
        let has_length = self.length.min.is_some() || self.length.max.is_some();
        let is_long = !has_length || self.length.check(units(value), at, report);
        match &self.pattern {
            Some(pattern) if !pattern.limit.matches(value) => report.add(at, &pattern.message),
            _ => is_long,
        }
    }
}

/// UTF-16 code units.
fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

impl Counts {
    pub(super) fn holds(&self, count: usize) -> bool {
        self.check(count, Place::Whole, &mut Report(None))
    }

    fn check(&self, count: usize, at: Place<'_>, report: &mut Report) -> bool {
        let low = self.min.as_ref().filter(|bound| count < bound.limit);
        let high = self.max.as_ref().filter(|bound| count > bound.limit);
        low.or(high).is_none_or(|bound| report.add(at, &bound.message))
    }
}

impl Numeric {
    fn check(&self, value: f64, at: Place<'_>, report: &mut Report) -> bool {
        let mut broken =
            self.bounds.iter().filter(|(comparison, bound)| !comparison.holds(value, bound.limit));
        broken.next().is_none_or(|(_, bound)| report.add(at, &bound.message))
    }
}

impl Items {
    fn check(&self, values: &[Value], at: Place<'_>, report: &mut Report) -> bool {
        let mut is_right = self.count.check(values.len(), at, report);
        for (index, value) in values.iter().enumerate() {
            is_right &= self.node.check(value, Place::Index(&at, index), report);
            if report.has_enough(is_right) {
                return false;
            }
        }
        if self.is_unique && !are_unique(values) {
            return report.add(at, "Expected array elements to be unique");
        }
        is_right
    }
}

fn are_unique(values: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(values.len());
    values.iter().all(|value| {
        let mut text = String::new();
        write_canonical(value, &mut text);
        seen.insert(text)
    })
}

/// The same text for what JavaScript sees as the same.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => text.push_str(&number.as_f64().unwrap_or_default().to_string()),
        Value::Array(values) => {
            text.push('[');
            for value in values {
                write_canonical(value, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (name, value) in sorted {
                text.push_str(&Value::from(name.as_str()).to_string());
                write_canonical(value, text);
            }
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn tuple(nodes: &[Node], message: &str, values: &[Value], at: Place<'_>, report: &mut Report) -> bool {
    if values.len() > nodes.len() {
        return report.add(at, message);
    }
    let mut is_right = true;
    for (index, node) in nodes.iter().enumerate() {
        let place = Place::Index(&at, index);
        is_right &= match values.get(index) {
            Some(value) => node.check(value, place, report),
            // TypeBox has made it `undefined` with the defaults.
            None => report.add(place, node.expected()),
        };
    }
    is_right
}

impl Properties {
    fn check(&self, fields: &Map<String, Value>, at: Place<'_>, report: &mut Report) -> bool {
        let mut is_right = self.count.check(fields.len(), at, report);
        let mut found = 0;
        for property in &self.known {
            let place = Place::Key(&at, &property.name);
            if let Some(value) = fields.get(&property.name) {
                found += 1;
                is_right &= property.node.check(value, place, report);
            } else if property.is_required {
                is_right = report.add(place, "Expected required property");
            }
            if report.has_enough(is_right) {
                return false;
            }
        }
        if found == fields.len() || matches!(self.additional, Additional::Allowed) {
            return is_right;
        }
        let unknown = fields.iter().filter(|(name, _)| self.find(name).is_none());
        self.additional.check(unknown, at, report) & is_right
    }
}

impl Record {
    fn check(&self, fields: &Map<String, Value>, at: Place<'_>, report: &mut Report) -> bool {
        let mut is_right = self.count.check(fields.len(), at, report);
        let (named, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| self.keys.matches(name));
        for (name, value) in named {
            is_right &= self.node.check(value, Place::Key(&at, name), report);
            if report.has_enough(is_right) {
                return false;
            }
        }
        // Of keys that are refused, TypeBox tells the first of a record.
        let told = if matches!(self.additional, Additional::Refused) { 1 } else { usize::MAX };
        self.additional.check(others.into_iter().take(told), at, report) & is_right
    }
}

impl Additional {
    fn check<'a>(
        &self,
        fields: impl Iterator<Item = (&'a String, &'a Value)>,
        at: Place<'_>,
        report: &mut Report,
    ) -> bool {
        let mut is_right = true;
        for (name, value) in fields {
            let place = Place::Key(&at, name);
            is_right &= match self {
                Self::Allowed => true,
                Self::Refused => report.add(place, "Unexpected property"),
                Self::Like(node) => node.check(value, place, report),
            };
            if report.has_enough(is_right) {
                return false;
            }
        }
        is_right
    }
}

impl Report {
    /// Gives `false`: the value is not right.
    fn add(&mut self, at: Place<'_>, message: &str) -> bool {
        if let Some(errors) = self.0.as_mut().filter(|errors| errors.len() < ERRORS_MAX) {
            let path = at.to_string();
            if !errors.iter().any(|error| error.path == path) {
                errors.push(FieldError { path, message: message.to_owned() });
            }
        }
        false
    }

    /// Whether more would not be told.
    fn has_enough(&self, is_right: bool) -> bool {
        !is_right && self.0.as_ref().is_none_or(|errors| errors.len() >= ERRORS_MAX)
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Key(parent, key) => write!(f, "{parent}/{}", key.replace('~', "~0").replace('/', "~1")),
            Self::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}
