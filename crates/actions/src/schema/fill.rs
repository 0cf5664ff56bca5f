//! Defaults: what TypeBox's `Value.Default` does to JSON, quirks included.

use super::node::{Additional, Kind, Node, Properties, Record};
use serde_json::{Map, Value};

impl Node {
    /// Puts defaults where values are missing; gives whether anything may have changed.
    pub(super) fn fill(&self, value: &mut Value) -> bool {
        if !self.has_defaults {
            return false;
        }
        if let (Kind::Array(items), Value::Array(values)) = (&self.kind, &mut *value) {
            return fill_all(&items.node, values.iter_mut());
        }
        let is_merged = self.default.as_ref().is_some_and(|default| merge(default, value));
        let is_filled = match &self.kind {
            Kind::Array(items) => {
                value.as_array_mut().is_some_and(|values| fill_all(&items.node, values.iter_mut()))
            }
            Kind::Object(object) => value.as_object_mut().is_some_and(|fields| object.fill(fields)),
            Kind::Record(record) => value.as_object_mut().is_some_and(|fields| record.fill(fields)),
            Kind::Union(nodes) => fill_union(nodes, value),
            Kind::Intersect(nodes) => fill_intersection(nodes, value),
            _ => false,
        };
        is_merged || is_filled
    }

    /// What stands where there is no value.
    fn absent(&self) -> Option<Value> {
        if let Some(default) = &self.default {
            let mut value = default.clone();
            self.fill(&mut value);
            return Some(value);
        }
        match &self.kind {
            // The first variant that takes its own default.
            Kind::Union(nodes) => {
                nodes.iter().find_map(|node| node.absent().filter(|value| node.matches(value)))
            }
            // TypeBox goes on from the last part, and keeps what the ones before made of nothing.
            Kind::Intersect(nodes) => nodes.iter().fold(None, |made, node| match (made, node.absent()) {
                (Some(Value::Object(mut made)), Some(Value::Object(next))) => {
                    made.extend(next);
                    Some(Value::Object(made))
                }
                (_, next) => next,
            }),
            _ => None,
        }
    }
}

fn fill_all<'a>(node: &Node, values: impl Iterator<Item = &'a mut Value>) -> bool {
    values.fold(false, |is_changed, value| node.fill(value) | is_changed)
}

/// `Object.assign(default, value)` where both have parts.
fn merge(default: &Value, value: &mut Value) -> bool {
    let mut merged = default.clone();
    match (&mut merged, &mut *value) {
        (Value::Object(merged), Value::Object(_) | Value::Array(_)) => merged.extend(parts(value.take())),
        // What is not at an index of a list is lost in JSON.
        (Value::Array(_), Value::Object(_)) => {}
        _ => return false,
    }
    *value = merged;
    true
}

/// The parts of an object, or of a list by their places.
fn parts(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Array(values) => {
            values.into_iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => Map::new(),
    }
}

fn fill_union(nodes: &[Node], value: &mut Value) -> bool {
    if !nodes.iter().any(|node| node.has_defaults) {
        return false;
    }
    for node in nodes {
        let mut candidate = value.clone();
        let is_changed = node.fill(&mut candidate);
        if node.matches(&candidate) {
            *value = candidate;
            return is_changed;
        }
    }
    false
}

fn fill_intersection(nodes: &[Node], value: &mut Value) -> bool {
    if !value.is_object() && !value.is_array() {
        return false;
    }
    let was_list = value.is_array();
    if was_list {
        *value = Value::Object(parts(value.take()));
    }
    nodes.iter().fold(was_list, |is_changed, node| node.fill(value) | is_changed)
}

impl Properties {
    fn fill(&self, fields: &mut Map<String, Value>) -> bool {
        let mut is_changed = false;
        for property in self.known.iter().filter(|property| property.node.has_defaults) {
            if let Some(value) = fields.get_mut(&property.name) {
                is_changed |= property.node.fill(value);
            } else if let Some(value) = property.node.absent() {
                fields.insert(property.name.clone(), value);
                is_changed = true;
            }
        }
        let unknown = fields.iter_mut().filter(|(name, _)| self.find(name).is_none());
        is_changed | self.additional.fill(unknown.map(|(_, value)| value))
    }
}

impl Record {
    fn fill(&self, fields: &mut Map<String, Value>) -> bool {
        let (named, others): (Vec<_>, Vec<_>) =
            fields.iter_mut().partition(|(name, _)| self.keys.matches(name));
        // Values that are there are walked only where the schema itself has a default.
        let is_changed =
            self.node.default.is_some() && fill_all(&self.node, named.into_iter().map(|(_, value)| value));
        is_changed | self.additional.fill(others.into_iter().map(|(_, value)| value))
    }
}

impl Additional {
    fn fill<'a>(&self, values: impl Iterator<Item = &'a mut Value>) -> bool {
        match self {
            Self::Like(node) if node.default.is_some() => fill_all(node, values),
            _ => false,
        }
    }
}
