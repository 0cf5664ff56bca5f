//! The input of an action from the parts of a request: which field comes from where is settled when a version is
//! loaded. A field that is declared to come from a header is never taken from the body.

use crate::coerce::Coercion;
use crate::session::cookies;
use crate::spec::{FieldPlace, FieldSpec, HandlerSpec, TriggerSpec};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use service_kit::error::{ApiError, ErrorCode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use url::form_urlencoded;

/// Parts of a schema that have its properties.
const PARTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Where the fields of an input come from.
#[derive(Debug)]
pub(crate) struct InputPlan {
    fields: Vec<Field>,
    /// It takes names that it does not list.
    is_open: bool,
    /// For each trigger: a JSON body is the whole of the input.
    is_body: Vec<bool>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Where it comes from, if that is said.
    from: Option<FieldSpec>,
    coercion: Coercion,
}

/// The parts of a request that inputs are made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a str,
    /// Names and values of the path's parameters, decoded.
    pub(crate) path: &'a [(String, String)],
}

/// What a body is, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    Json,
    Form,
    Multipart,
}

/// An input that was put together.
#[derive(Debug)]
pub(crate) enum Assembled {
    /// The body, as it came.
    Body,
    /// This value.
    Value(Value),
    /// The body is a multipart form; what came beside it.
    Beside(Value),
}

type Values<'a> = BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>;

impl InputPlan {
    pub(crate) fn of(handler: &HandlerSpec) -> Self {
        let schema = handler.input.clone().map_or(Value::Bool(true), Value::Object);
        let mut properties = BTreeMap::<&str, Coercion>::new();
        let mut is_open = false;
        collect(&schema, &mut properties, &mut is_open);
        for name in handler.action.input_fields.keys() {
            properties.entry(name).or_insert_with(Coercion::any);
        }
        let from = |name: &str| handler.action.input_fields.get(name).cloned();
        let field =
            |(name, coercion): (&str, Coercion)| Field { name: name.to_owned(), from: from(name), coercion };
        let fields: Vec<Field> = properties.into_iter().map(field).collect();
        let is_body =
            handler.triggers.iter().map(|trigger| is_whole_body(trigger, &fields, is_open)).collect();
        Self { fields, is_open, is_body }
    }

    /// Puts the input of the trigger together.
    ///
    /// # Errors
    /// `unsupported_media_type` for a body of another type, `invalid_json` for one that does not parse.
    pub(crate) fn assemble(
        &self,
        trigger: usize,
        parts: Parts<'_>,
        body: &Bytes,
    ) -> Result<Assembled, ApiError> {
        let takes_body = takes_body(parts.method);
        let kind = if takes_body && !body.is_empty() { Some(body_type(parts.headers)?) } else { None };
        let is_whole = self.is_body.get(trigger).copied().unwrap_or_default();
        if kind == Some(BodyType::Json) && is_whole {
            return Ok(Assembled::Body);
        }
        let mut input = match kind {
            Some(BodyType::Json) => json(body)?,
            Some(BodyType::Form) => Value::Object(self.of_texts(pairs(body), true)),
            Some(BodyType::Multipart) => Value::Object(Map::new()),
            None if takes_body => Value::Object(Map::new()),
            None => Value::Object(self.of_texts(pairs(parts.query.as_bytes()), self.is_open)),
        };
        if let Value::Object(fields) = &mut input {
            self.add_parts(fields, parts);
        }
        let is_beside = kind == Some(BodyType::Multipart);
        Ok(if is_beside { Assembled::Beside(input) } else { Assembled::Value(input) })
    }

    /// Fields that may come with a query or a form; others only where the schema may take them.
    fn of_texts(&self, mut values: Values<'_>, with_others: bool) -> Map<String, Value> {
        let mut input = Map::new();
        for field in self.fields.iter().filter(|field| field.from.is_none()) {
            if let Some(texts) = values.remove(field.name.as_str()) {
                input.insert(field.name.clone(), field.coercion.value(&texts));
            }
        }
        if with_others {
            let any = Coercion::any();
            let others = values.into_iter().filter(|(name, _)| self.find(name).is_none());
            input.extend(others.map(|(name, texts)| (name.into_owned(), any.value(&texts))));
        }
        input
    }

    /// What comes from elsewhere than the body: fields that say so, then parameters of the path.
    fn add_parts(&self, input: &mut Map<String, Value>, parts: Parts<'_>) {
        let mut query = None;
        for field in &self.fields {
            let Some(from) = &field.from else { continue };
            input.remove(&field.name);
            let texts = match from.place {
                FieldPlace::Path => path_values(parts.path, &from.name),
                FieldPlace::Query => {
                    let query = query.get_or_insert_with(|| pairs(parts.query.as_bytes()));
                    query.get(from.name.as_str()).cloned().unwrap_or_default()
                }
                FieldPlace::Header => header_values(parts.headers, &from.name),
                FieldPlace::Cookie => cookie_values(parts.headers, &from.name),
            };
            if !texts.is_empty() {
                input.insert(field.name.clone(), field.coercion.value(&texts));
            }
        }
        for (name, value) in parts.path {
            match self.find(name) {
                Some(Field { from: None, coercion, .. }) => {
                    input.insert(name.clone(), coercion.value(&[Cow::Borrowed(value)]));
                }
                None if self.is_open && !input.contains_key(name) => {
                    input.insert(name.clone(), Value::from(value.as_str()));
                }
                _ => {}
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Properties of a schema and of its parts; whether it takes others that it says nothing about.
fn collect<'a>(schema: &'a Value, properties: &mut BTreeMap<&'a str, Coercion>, is_open: &mut bool) {
    let written = schema.get("properties").and_then(Value::as_object);
    for (name, property) in written.into_iter().flatten() {
        properties.entry(name).or_default().add(property, 0);
    }
    let mut parts = PARTS.iter().filter_map(|name| schema.get(*name)?.as_array()).flatten().peekable();
    let is_typed = schema.get("type").is_some();
    let has_names = written.is_some_and(|properties| !properties.is_empty());
    let takes_others = schema.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    let is_record = schema.get("patternProperties").is_some();
    let is_bare = parts.peek().is_none() && !is_typed && written.is_none();
    // An object that names nothing and forbids nothing is one of any fields.
    let is_empty =
        is_typed && written.is_some() && !has_names && schema.get("additionalProperties").is_none();
    *is_open |= takes_others || is_record || is_bare || (is_empty && parts.peek().is_none());
    for part in parts {
        collect(part, properties, is_open);
    }
}

fn is_whole_body(trigger: &TriggerSpec, fields: &[Field], is_open: bool) -> bool {
    let is_merged = |name: &str| is_open || fields.iter().any(|field| field.name == name);
    fields.iter().all(|field| field.from.is_none()) && !trigger.parameters().any(is_merged)
}

pub(crate) fn takes_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// # Errors
/// `unsupported_media_type` for another one.
pub(crate) fn body_type(headers: &HeaderMap) -> Result<BodyType, ApiError> {
    let written = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(BodyType::Json),
        "application/x-www-form-urlencoded" => Ok(BodyType::Form),
        "multipart/form-data" => Ok(BodyType::Multipart),
        essence if essence.ends_with("+json") => Ok(BodyType::Json),
        _ => {
            let message = "send JSON with `Content-Type: application/json`, or a form";
            Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
        }
    }
}

/// # Errors
/// `invalid_json`.
pub(crate) fn json(text: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(text).map_err(|error| not_json(&error))
}

pub(crate) fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::InvalidJson, format!("the body is not valid JSON: {error}"))
}

fn pairs(text: &[u8]) -> Values<'_> {
    let mut values = Values::new();
    for (name, value) in form_urlencoded::parse(text) {
        values.entry(name).or_default().push(value);
    }
    values
}

fn path_values<'a>(path: &'a [(String, String)], name: &str) -> Vec<Cow<'a, str>> {
    path.iter().filter(|(known, _)| known == name).map(|(_, value)| Cow::Borrowed(value.as_str())).collect()
}

/// Headers that are no UTF-8 are not there.
fn header_values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<Cow<'a, str>> {
    let texts = headers.get_all(name).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    texts.map(Cow::Borrowed).collect()
}

/// The first of its name, decoded.
fn cookie_values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<Cow<'a, str>> {
    let mut values = cookies(headers).filter(|(known, _)| *known == name);
    values.next().map(|(_, value)| percent_decode_str(value).decode_utf8_lossy()).into_iter().collect()
}

#[cfg(test)]
mod tests;
