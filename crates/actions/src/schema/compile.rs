//! From JSON Schema, as TypeBox writes it, to nodes. Each keyword has to be known: an unknown one, or one that the
//! two engines read differently, leaves the whole schema to Bun.

use super::node::{
    Additional, Bound, Comparison, Counts, Items, Kind, Node, Numeric, Pattern, Properties, Property, Record,
    Text,
};
use serde_json::{Map, Value};

type Read<T> = Result<T, String>;
type Fields = Map<String, Value>;

/// Levels of schemas inside each other.
const DEPTH_MAX: usize = 32;

/// Keywords that say nothing about values.
const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "example",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
    "summary",
];

/// Every object of JavaScript seems to have them.
const INHERITED: [&str; 7] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

const BOUNDS: [(&str, Comparison, &str); 5] = [
    ("exclusiveMaximum", Comparison::Below, "be less than"),
    ("exclusiveMinimum", Comparison::Above, "be greater than"),
    ("maximum", Comparison::AtMost, "be less or equal to"),
    ("minimum", Comparison::AtLeast, "be greater or equal to"),
    ("multipleOf", Comparison::MultipleOf, "be a multiple of"),
];

pub(super) fn object(fields: &Fields) -> Read<Node> {
    node(fields, 0)
}

fn sub(value: &Value, depth: usize) -> Read<Node> {
    let fields = value.as_object().ok_or("a schema that is no object")?;
    if depth >= DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} levels"));
    }
    node(fields, depth + 1)
}

fn node(fields: &Fields, depth: usize) -> Read<Node> {
    let kind = kind(fields, depth)?;
    let default = fields.get("default").cloned();
    let holds_parts = matches!(kind, Kind::Object(_) | Kind::Record(_) | Kind::Array(_));
    if default.as_ref().is_some_and(|value| value.is_object() || value.is_array()) && !holds_parts {
        return Err("a default with parts on a type without".to_owned());
    }
    let has_defaults = default.is_some() || kind.has_defaults();
    Ok(Node { kind, default, has_defaults })
}

fn kind(fields: &Fields, depth: usize) -> Read<Kind> {
    let has = |name| fields.contains_key(name);
    if has("const") {
        return literal(fields);
    }
    if has("anyOf") {
        only(fields, &["anyOf"])?;
        return Ok(Kind::Union(list(fields, "anyOf", depth)?));
    }
    if has("allOf") {
        only(fields, &["allOf", "type"])?;
        return intersect(fields, depth);
    }
    if has("not") {
        only(fields, &["not"])?;
        let is_never = fields["not"].as_object().is_some_and(Map::is_empty);
        return if is_never { Ok(Kind::Never) } else { Err("`not`".to_owned()) };
    }
    match fields.get("type").map(Value::as_str) {
        None => only(fields, &[]).map(|()| Kind::Any),
        Some(Some("null")) => only(fields, &["type"]).map(|()| Kind::Null),
        Some(Some("boolean")) => only(fields, &["type"]).map(|()| Kind::Boolean),
        Some(Some("string")) => text(fields).map(Kind::String),
        Some(Some("number")) => numeric(fields, false).map(Kind::Number),
        Some(Some("integer")) => numeric(fields, true).map(Kind::Number),
        Some(Some("array")) => array(fields, depth),
        Some(Some("object")) if has("patternProperties") => record(fields, depth),
        Some(Some("object")) => properties(fields, depth).map(Kind::Object),
        Some(name) => Err(format!("the type {}", name.unwrap_or("that is no name"))),
    }
}

fn only(fields: &Fields, known: &[&str]) -> Read<()> {
    let is_known = |name: &str| known.contains(&name) || ANNOTATIONS.contains(&name);
    match fields.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(format!("the keyword `{name}`")),
    }
}

fn list(fields: &Fields, name: &str, depth: usize) -> Read<Vec<Node>> {
    let written = fields[name].as_array().filter(|list| !list.is_empty());
    written.ok_or(format!("`{name}` without schemas"))?.iter().map(|schema| sub(schema, depth)).collect()
}

fn literal(fields: &Fields) -> Read<Kind> {
    only(fields, &["const", "type"])?;
    let value = fields["const"].clone();
    let shown = match &value {
        Value::String(text) => format!("'{text}'"),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => shown(number.as_f64())?,
        _ => return Err("a constant with parts".to_owned()),
    };
    Ok(Kind::Literal { value, message: format!("Expected {shown}") })
}

/// TypeBox spreads what an intersection is given into an object, so that others do not pass.
fn intersect(fields: &Fields, depth: usize) -> Read<Kind> {
    let nodes = list(fields, "allOf", depth)?;
    let is_object = |node: &Node| matches!(node.kind, Kind::Object(_) | Kind::Record(_));
    if nodes.iter().all(is_object) {
        return Ok(Kind::Intersect(nodes));
    }
    Err("an intersection of something else than objects".to_owned())
}

fn text(fields: &Fields) -> Read<Text> {
    only(fields, &["type", "minLength", "maxLength", "pattern"])?;
    let length = counts(fields, ["minLength", "maxLength"], |limit, which| {
        format!("Expected string length {which} or equal to {limit}")
    })?;
    let pattern = fields.get("pattern").map(|pattern| {
        let source = pattern.as_str().ok_or("a pattern that is no text")?;
        let limit = Pattern::compile(source).ok_or_else(|| format!("the pattern {source}"))?;
        Ok::<_, String>(Bound { limit, message: format!("Expected string to match '{source}'") })
    });
    Ok(Text { length, pattern: pattern.transpose()? })
}

fn numeric(fields: &Fields, is_integer: bool) -> Read<Numeric> {
    only(fields, &["type", "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"])?;
    let name = if is_integer { "integer" } else { "number" };
    let mut bounds = Vec::new();
    for (keyword, comparison, words) in BOUNDS {
        let Some(limit) = fields.get(keyword) else { continue };
        let shown = shown(limit.as_f64())?;
        let limit = limit.as_f64().ok_or_else(|| format!("`{keyword}` that is no number"))?;
        bounds.push((comparison, Bound { limit, message: format!("Expected {name} to {words} {shown}") }));
    }
    Ok(Numeric { is_integer, bounds })
}

/// A number as JavaScript writes it, where that is as Rust does.
fn shown(number: Option<f64>) -> Read<String> {
    let number = number.ok_or("a bound that is no number")?;
    let is_plain = number == 0.0 || (1e-6..1e21).contains(&number.abs());
    if is_plain { Ok(number.to_string()) } else { Err(format!("the number {number}")) }
}

fn counts(fields: &Fields, names: [&str; 2], words: impl Fn(usize, &str) -> String) -> Read<Counts> {
    let bound = |name: &str, which: &str| {
        let Some(limit) = fields.get(name) else { return Ok(None) };
        let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.ok_or_else(|| format!("`{name}` that is no count"))?;
        Ok::<_, String>(Some(Bound { limit, message: words(limit, which) }))
    };
    Ok(Counts { min: bound(names[0], "greater")?, max: bound(names[1], "less")? })
}

fn array(fields: &Fields, depth: usize) -> Read<Kind> {
    let is_tuple = fields.get("items").is_none_or(Value::is_array);
    if is_tuple {
        return tuple(fields, depth);
    }
    only(fields, &["type", "items", "minItems", "maxItems", "uniqueItems"])?;
    let count = counts(fields, ["minItems", "maxItems"], |limit, which| {
        format!("Expected array length to be {which} or equal to {limit}")
    })?;
    let is_unique = fields.get("uniqueItems").and_then(Value::as_bool).unwrap_or_default();
    Ok(Kind::Array(Box::new(Items { node: sub(&fields["items"], depth)?, count, is_unique })))
}

fn tuple(fields: &Fields, depth: usize) -> Read<Kind> {
    only(fields, &["type", "items", "additionalItems", "minItems", "maxItems"])?;
    let nodes = if fields.contains_key("items") { list(fields, "items", depth)? } else { Vec::new() };
    if fields.get("maxItems").and_then(Value::as_u64) != Some(nodes.len() as u64) {
        return Err("a tuple without its length".to_owned());
    }
    // TypeBox fills the places of a tuple that is too short with `undefined`.
    if nodes.iter().any(|node| node.has_defaults || node.takes_anything()) {
        return Err("a tuple whose elements may be left out".to_owned());
    }
    let message = format!("Expected tuple to have {} elements", nodes.len());
    Ok(Kind::Tuple { nodes, message })
}

fn properties(fields: &Fields, depth: usize) -> Read<Properties> {
    only(
        fields,
        &["type", "properties", "required", "additionalProperties", "minProperties", "maxProperties"],
    )?;
    let written =
        fields.get("properties").and_then(Value::as_object).ok_or("an object without `properties`")?;
    let required = fields.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let known = |name: &str| written.contains_key(name);
    if !required.iter().all(|name| name.as_str().is_some_and(known)) {
        return Err("`required` that names no property".to_owned());
    }
    let mut properties = Vec::with_capacity(written.len());
    for (name, schema) in written {
        if INHERITED.contains(&name.as_str()) || name.starts_with("__") {
            return Err(format!("the property {name}"));
        }
        let is_required = required.iter().any(|required| required == name);
        properties.push(Property { name: name.clone(), is_required, node: sub(schema, depth)? });
    }
    Ok(Properties {
        known: properties,
        additional: additional(fields, depth)?,
        count: property_counts(fields)?,
    })
}

fn property_counts(fields: &Fields) -> Read<Counts> {
    counts(fields, ["minProperties", "maxProperties"], |limit, which| match which {
        "less" => format!("Expected object to have no more than {limit} properties"),
        _ => format!("Expected object to have at least {limit} properties"),
    })
}

fn additional(fields: &Fields, depth: usize) -> Read<Additional> {
    match fields.get("additionalProperties") {
        None | Some(Value::Bool(true)) => Ok(Additional::Allowed),
        Some(Value::Bool(false)) => Ok(Additional::Refused),
        Some(schema) => Ok(Additional::Like(Box::new(sub(schema, depth)?))),
    }
}

fn record(fields: &Fields, depth: usize) -> Read<Kind> {
    only(fields, &["type", "patternProperties", "additionalProperties", "minProperties", "maxProperties"])?;
    let patterns = fields["patternProperties"].as_object().filter(|patterns| patterns.len() == 1);
    let (source, schema) =
        patterns.and_then(|patterns| patterns.iter().next()).ok_or("several patterns of keys")?;
    let keys = Pattern::compile(source).ok_or_else(|| format!("the pattern {source}"))?;
    let (node, additional) = (sub(schema, depth)?, additional(fields, depth)?);
    Ok(Kind::Record(Box::new(Record { keys, node, additional, count: property_counts(fields)? })))
}

impl Node {
    /// Whether it holds for what is not there.
    fn takes_anything(&self) -> bool {
        match &self.kind {
            Kind::Any => true,
            Kind::Union(nodes) => nodes.iter().any(Self::takes_anything),
            _ => false,
        }
    }
}

impl Kind {
    fn has_defaults(&self) -> bool {
        let any = |nodes: &[Node]| nodes.iter().any(|node| node.has_defaults);
        match self {
            Self::Array(items) => items.node.has_defaults,
            Self::Tuple { nodes, .. } | Self::Union(nodes) => any(nodes),
            // It makes an object of a list.
            Self::Intersect(_) => true,
            Self::Object(object) => {
                object.known.iter().any(|property| property.node.has_defaults)
                    || object.additional.has_defaults()
            }
            Self::Record(record) => record.node.has_defaults || record.additional.has_defaults(),
            _ => false,
        }
    }
}

impl Additional {
    fn has_defaults(&self) -> bool {
        matches!(self, Self::Like(node) if node.has_defaults)
    }
}
