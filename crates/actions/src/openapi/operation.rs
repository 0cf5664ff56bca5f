//! One method of one path.

use super::schemas::{form_of_files, has_default, portable, without};
use super::{REST, is_mapped, takes_body};
use crate::spec::{FieldPlace, GuardSpec, HandlerSpec, TriggerSpec};
use http::Method;
use serde_json::{Map, Value, json};

/// What a request goes through that one is.
pub(super) struct Operation<'a> {
    pub(super) handler: &'a HandlerSpec,
    pub(super) trigger: &'a TriggerSpec,
    pub(super) index: usize,
    pub(super) method: &'a Method,
}

/// Guards that need to know who calls.
const SIGNED_IN: [&str; 4] = ["authenticated", "hasRole", "hasPermission", "inOrg"];
/// Guards that say `403`.
const REFUSING: [&str; 5] = ["hasRole", "hasPermission", "inOrg", "hasFeature", "trialActiveOrPaid"];

impl Operation<'_> {
    pub(super) fn describe(&self, name: String) -> Value {
        let action = &self.handler.action;
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), name.into());
        if let Some(module) = &action.module {
            operation.insert("tags".to_owned(), json!([module]));
        }
        if let Some(description) = &action.description {
            operation.insert("summary".to_owned(), description.as_str().into());
            operation.insert("description".to_owned(), description.as_str().into());
        }
        let parameters = self.parameters();
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = self.body() {
            operation.insert("requestBody".to_owned(), body);
        }
        operation.insert("responses".to_owned(), self.responses());
        if self.has_guard(&SIGNED_IN) {
            operation.insert(
                "security".to_owned(),
                json!([{ "session": [] }, { "bearer": [] }, { "apiKey": [] }]),
            );
        }
        operation.into()
    }

    /// The input of this trigger is a function's, or a webhook's.
    fn is_raw(&self) -> bool {
        is_mapped(self.handler, self.index) || self.trigger.kind == "webhook"
    }

    fn property(&self, name: &str) -> Option<&Value> {
        self.handler.input.as_ref()?.get("properties")?.get(name)
    }

    fn is_required(&self, name: &str) -> bool {
        let Some(input) = self.handler.input.as_ref().filter(|input| !has_default(input, name)) else {
            return false;
        };
        let required = input.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|known| known == name))
    }

    /// Properties that come with no other part and no parameter of the path.
    fn is_free(&self, name: &str) -> bool {
        !self.handler.action.input_fields.contains_key(name)
            && !self.trigger.parameters().any(|parameter| parameter == name)
    }

    fn parameters(&self) -> Vec<Value> {
        let mut parameters: Vec<Value> = self.trigger.parameters().map(|name| self.in_path(name)).collect();
        if self.trigger.path.ends_with("/*") {
            parameters
                .push(json!({"name": REST, "in": "path", "required": true, "schema": {"type": "string"}}));
        }
        if self.is_raw() {
            return parameters;
        }
        for (field, from) in &self.handler.action.input_fields {
            let place = match from.place {
                // It stands in the path already.
                FieldPlace::Path => continue,
                FieldPlace::Query => "query",
                FieldPlace::Header => "header",
                FieldPlace::Cookie => "cookie",
            };
            parameters.push(self.parameter(field, &from.name, place));
        }
        if !takes_body(self.method) {
            let properties =
                self.handler.input.as_ref().and_then(|input| input.get("properties")?.as_object());
            let names = properties.into_iter().flatten().map(|(name, _)| name);
            parameters.extend(
                names.filter(|name| self.is_free(name)).map(|name| self.parameter(name, name, "query")),
            );
        }
        parameters
    }

    fn in_path(&self, name: &str) -> Value {
        let is_it =
            |from: &crate::spec::FieldSpec| matches!(from.place, FieldPlace::Path) && from.name == name;
        let fields = &self.handler.action.input_fields;
        let mapped = fields.iter().find(|(_, from)| is_it(from)).map(|(field, _)| field.as_str());
        let own = Some(name).filter(|name| !fields.contains_key(*name));
        let property = mapped.or(own).filter(|_| !self.is_raw()).and_then(|field| self.property(field));
        let schema = property.map_or_else(|| json!({"type": "string"}), portable);
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    }

    fn parameter(&self, field: &str, name: &str, place: &str) -> Value {
        let schema = self.property(field).map_or_else(|| json!({}), portable);
        json!({"name": name, "in": place, "required": self.is_required(field), "schema": schema})
    }

    /// What is left for the body.
    fn body(&self) -> Option<Value> {
        if !takes_body(self.method) {
            return None;
        }
        if self.is_raw() {
            return Some(json!({"content": {"*/*": {"schema": {}}}}));
        }
        let input = self.handler.input.as_ref()?;
        let is_taken = |name: &str| !self.is_free(name);
        let schema = without(input, is_taken);
        let required =
            schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
        if let Some(form) = form_of_files(input, &schema) {
            return Some(json!({"required": true, "content": {"multipart/form-data": {"schema": form}}}));
        }
        let is_object = schema.get("type").and_then(Value::as_str) == Some("object");
        let content = json!({ "schema": schema });
        let mut types = Map::new();
        types.insert("application/json".to_owned(), content.clone());
        if is_object {
            types.insert("application/x-www-form-urlencoded".to_owned(), content.clone());
            types.insert("multipart/form-data".to_owned(), content);
        }
        Some(json!({"required": required || !is_object, "content": types}))
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), self.success());
        // The handler may name another one (`withMeta`).
        responses.insert("2XX".to_owned(), self.success());
        let mut refer = |status: &str, name: &str| {
            responses.insert(status.to_owned(), json!({"$ref": format!("#/components/responses/{name}")}));
        };
        refer("400", "InvalidInput");
        if self.has_guard(&SIGNED_IN) {
            refer("401", "Unauthorized");
        }
        // A write with a cookie may come from another site.
        if self.has_guard(&REFUSING) || !self.method.is_safe() {
            refer("403", "Forbidden");
        }
        if self.has_guard(&["inOrg"]) {
            refer("404", "NotFound");
        }
        if takes_body(self.method) {
            refer("413", "BodyTooLarge");
            refer("415", "UnsupportedMediaType");
        }
        if self.has_guard(&["rateLimit"]) {
            refer("429", "RateLimited");
        }
        refer("500", "InternalError");
        refer("default", "Error");
        responses.into()
    }

    /// `{data}`; fields that are headers or cookies are not in it.
    fn success(&self) -> Value {
        let fields = &self.handler.action.output_fields;
        let output = self.handler.output.as_ref();
        let data = output
            .map_or_else(|| json!({}), |output| without(output, |name| fields.contains_key(name)).into());
        let mut headers = Map::new();
        for (field, from) in fields {
            let property = output.and_then(|output| output.get("properties")?.get(field));
            let (name, schema) = match from.place {
                FieldPlace::Cookie => ("Set-Cookie".to_owned(), json!({"type": "string"})),
                _ => (from.name.clone(), property.map_or_else(|| json!({}), portable)),
            };
            headers.insert(name, json!({ "schema": schema }));
        }
        let schema = json!({"type": "object", "required": ["data"], "properties": {"data": data}});
        let mut success = json!({"description": "What the action gives.", "content": {"application/json": {"schema": schema}}});
        if !headers.is_empty() {
            success["headers"] = headers.into();
        }
        success
    }

    fn has_guard(&self, names: &[&str]) -> bool {
        has_guard(&self.handler.guards, names)
    }
}

/// In groups, too.
fn has_guard(guards: &[GuardSpec], names: &[&str]) -> bool {
    guards.iter().any(|guard| {
        let inside = guard.options.as_ref().and_then(|options| options.get("guards"));
        let inside = inside.and_then(|guards| serde_json::from_value::<Vec<GuardSpec>>(guards.clone()).ok());
        names.contains(&guard.name.as_str()) || inside.is_some_and(|guards| has_guard(&guards, names))
    })
}
