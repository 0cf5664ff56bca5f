//! Schemas as OpenAPI 3.1 has them (JSON Schema 2020-12), and the answers that all actions have in common.

use serde_json::{Map, Value, json};

/// What TypeBox writes of `schema`, without what no other program knows.
pub(super) fn portable(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => object(fields),
        Value::Array(values) => values.iter().map(portable).collect(),
        other => other.clone(),
    }
}

fn object(fields: &Map<String, Value>) -> Value {
    let mut out = Map::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            // Data, not schemas.
            ("default" | "const" | "enum" | "examples" | "example", _) => {
                out.insert(name.clone(), value.clone());
            }
            ("required", Value::Array(names)) => {
                let names =
                    names.iter().filter(|name| !has_default(fields, name.as_str().unwrap_or_default()));
                out.insert(name.clone(), names.cloned().collect());
            }
            ("properties" | "patternProperties", Value::Object(schemas)) => {
                let schemas = schemas.iter().map(|(name, schema)| (name.clone(), portable(schema)));
                out.insert(name.clone(), schemas.collect::<Map<_, _>>().into());
            }
            // A tuple, as it has been written since draft 2020-12.
            ("items", Value::Array(_)) => {
                out.insert("prefixItems".to_owned(), portable(value));
                out.insert("items".to_owned(), false.into());
            }
            ("additionalItems", _) => {}
            ("type", Value::String(kind)) => out.extend(type_of(kind)),
            _ => {
                out.insert(name.clone(), portable(value));
            }
        }
    }
    out.into()
}

/// Whether a property may be left out, because there is a value for it.
pub(super) fn has_default(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get("properties").and_then(|properties| properties.get(name)?.get("default")).is_some()
}

/// Types of JavaScript by what stands for them in JSON.
fn type_of(kind: &str) -> Map<String, Value> {
    let fields = match kind {
        "array" | "boolean" | "integer" | "null" | "number" | "object" | "string" => json!({ "type": kind }),
        "Date" => json!({"type": "string", "format": "date-time"}),
        "Uint8Array" => json!({"type": "string", "format": "binary"}),
        "RegExp" => json!({"type": "string"}),
        _ => json!({}),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The schema of an input or an output, as programs know it that are not TypeBox.
pub fn published(schema: &Map<String, Value>) -> Map<String, Value> {
    without(schema, |_| false)
}

/// A schema of an object, without properties that stand somewhere else.
pub(super) fn without(
    schema: &Map<String, Value>,
    is_elsewhere: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut schema = match object(schema) {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !is_elsewhere(name));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !name.as_str().is_some_and(&is_elsewhere));
    }
    schema
}

/// The form that a body is where it has files, which JSON has no form for: a part is the file itself, in place of the
/// object that a handler gets of it. `None` where `body`, what is left of `input` for it, has none.
pub(super) fn form_of_files(
    input: &Map<String, Value>,
    body: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let declared = input.get("properties")?.as_object()?;
    let mut form = body.clone();
    let mut has_files = false;
    for (name, property) in form.get_mut("properties")?.as_object_mut()? {
        let Some(schema) = declared.get(name) else { continue };
        let is_list = schema["type"] == "array";
        if is_file(if is_list { &schema["items"] } else { schema }) {
            let file = json!({"type": "string", "format": "binary"});
            *property = if is_list { json!({"type": "array", "items": file}) } else { file };
            has_files = true;
        }
    }
    has_files.then_some(form)
}

/// Whether a schema takes what a handler gets of a file of a form.
fn is_file(schema: &Value) -> bool {
    schema["properties"]["data"]["type"] == "Uint8Array"
}

/// The body of every error.
pub(super) fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "For programs; stable."},
                "message": {"type": "string", "description": "For people."},
                "details": {"description": "More, such as the path and message of each place of an input."},
                "trace_id": {"type": "string"},
                "request_id": {"type": "string"},
            },
        }},
    })
}

pub(super) fn responses() -> Value {
    let answer = |description: &str| {
        json!({
            "description": description,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        })
    };
    let number = |description: &str| json!({"description": description, "schema": {"type": "integer"}});
    let mut limited = answer("Too many requests.");
    limited["headers"] = json!({
        "RateLimit-Limit": number("Requests in a window."),
        "RateLimit-Remaining": number("Requests that are left."),
        "RateLimit-Reset": number("Seconds until there is room."),
        "Retry-After": number("Seconds to wait."),
    });
    json!({
        "InvalidInput": answer("The input is not JSON, or does not fit its schema."),
        "Unauthorized": answer("Nobody is signed in."),
        "Forbidden": answer("The caller may not do this."),
        "NotFound": answer("There is no such thing."),
        "BodyTooLarge": answer("The body is too large."),
        "UnsupportedMediaType": answer("The body is of another type."),
        "RateLimited": limited,
        "InternalError": answer("The action failed."),
        "Error": answer("The action refused."),
    })
}
