use super::*;
use serde_json::json;

struct Request {
    method: Method,
    headers: HeaderMap,
    query: &'static str,
    path: Vec<(String, String)>,
    body: Bytes,
}

fn request(method: Method, query: &'static str) -> Request {
    Request { method, headers: HeaderMap::new(), query, path: Vec::new(), body: Bytes::new() }
}

impl Request {
    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(name, http::HeaderValue::from_static(value));
        self
    }

    fn parameter(mut self, name: &str, value: &str) -> Self {
        self.path.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, kind: &'static str, body: &'static str) -> Self {
        self.body = Bytes::from_static(body.as_bytes());
        self.header("content-type", kind)
    }

    fn json(self, body: &'static str) -> Self {
        self.body("application/json; charset=utf-8", body)
    }

    fn assembled(&self, plan: &InputPlan) -> Result<Assembled, ErrorCode> {
        let parts =
            Parts { method: &self.method, headers: &self.headers, query: self.query, path: &self.path };
        plan.assemble(0, parts, &self.body).map_err(|error| error.code)
    }

    fn value(&self, plan: &InputPlan) -> Value {
        match self.assembled(plan) {
            Ok(Assembled::Value(value) | Assembled::Beside(value)) => value,
            other => panic!("{other:?}"),
        }
    }
}

fn plan(path: &str, input: &Value, fields: &Value) -> InputPlan {
    let handler = json!({"name": "a", "triggers": [{"kind": "http", "path": path}], "input": input,
        "action": {"input_fields": fields}});
    InputPlan::of(&serde_json::from_value(handler).unwrap())
}

fn task() -> InputPlan {
    let input = json!({"type": "object", "properties": {
        "id": {"type": "integer"}, "title": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
        "done": {"type": "boolean"}, "token": {"type": "string"}}});
    plan("/orgs/:org/tasks/:id", &input, &json!({"token": {"in": "header", "name": "X-Token"}}))
}

fn plain(path: &str) -> InputPlan {
    plan(path, &json!({"type": "object", "properties": {"title": {"type": "string"}}}), &json!({}))
}

#[test]
fn a_json_body_is_the_input_as_it_came_where_nothing_else_belongs_to_it() {
    let json = request(Method::POST, "title=ignored").json("{ }");
    assert!(matches!(json.assembled(&plain("/tasks/:id")), Ok(Assembled::Body)));
    assert!(matches!(json.assembled(&task()), Ok(Assembled::Value(_))));
    assert_eq!(json.value(&plain("/tasks/:title")), json!({}));
}

#[test]
fn parts_of_a_request_are_read_by_the_schema() {
    let written = request(Method::POST, "title=not-this")
        .json(r#"{"title": "x", "token": "forged", "id": 9, "more": 1}"#)
        .header("x-token", "secret")
        .parameter("org", "acme")
        .parameter("id", "7");
    assert_eq!(written.value(&task()), json!({"title": "x", "token": "secret", "id": 7, "more": 1}));
    // What does not come with its header does not come with the body either.
    let forged = request(Method::POST, "").json(r#"{"token": "forged"}"#);
    assert_eq!(forged.value(&task()), json!({}));
    let read =
        request(Method::GET, "tags=a&tags=b%2Cc&done=1&token=x&utm=1&title=a%20b").parameter("id", "x");
    assert_eq!(read.value(&task()), json!({"tags": ["a", "b,c"], "done": true, "title": "a b", "id": "x"}));
    assert_eq!(
        request(Method::DELETE, "tags=a,b").json("broken").value(&task()),
        json!({"tags": ["a", "b"]})
    );
    assert_eq!(request(Method::POST, "title=x").value(&task()), json!({}));
}

#[test]
fn forms_are_read_by_the_schema_and_multipart_forms_are_left_to_bun() {
    let form =
        request(Method::PUT, "").body("application/x-www-form-urlencoded", "title=a+b&done=false&tags=x&z=1");
    assert_eq!(form.value(&task()), json!({"title": "a b", "done": false, "tags": ["x"], "z": "1"}));
    let upload =
        request(Method::POST, "").body("multipart/form-data; boundary=x", "--x").parameter("id", "3");
    assert!(matches!(upload.assembled(&task()), Ok(Assembled::Beside(fields)) if fields == json!({"id": 3})));
}

#[test]
fn other_bodies_are_refused() {
    let refused = |request: Request| request.assembled(&task()).unwrap_err();
    assert_eq!(refused(request(Method::POST, "").json("{")), ErrorCode::InvalidJson);
    assert_eq!(refused(request(Method::POST, "").body("text/plain", "{}")), ErrorCode::UnsupportedMediaType);
    let untyped = Request { body: Bytes::from_static(b"{}"), ..request(Method::POST, "") };
    assert_eq!(refused(untyped), ErrorCode::UnsupportedMediaType);
}

#[test]
fn an_open_schema_takes_what_came() {
    for schema in [
        json!({}),
        json!({"type": "object", "properties": {}}),
        json!({"type": "object", "patternProperties": {}}),
    ] {
        let open = plan("/a/:id", &schema, &json!({}));
        assert_eq!(
            request(Method::GET, "a=1&b=2&b=3").parameter("id", "x").value(&open),
            json!({"a": "1", "b": ["2", "3"], "id": "x"})
        );
    }
    let parts = json!({"allOf": [
        {"type": "object", "properties": {"n": {"type": "integer"}}}, {"anyOf": [{"type": "object", "properties": {"b": {"type": "boolean"}}}]}]});
    assert_eq!(
        request(Method::GET, "n=1&b=1&c=1").value(&plan("/", &parts, &json!({}))),
        json!({"n": 1, "b": true})
    );
}

#[test]
fn cookies_are_decoded() {
    let plan = plan(
        "/",
        &json!({"type": "object", "properties": {"s": {"type": "string"}, "q": {"type": "number"}}}),
        &json!({"s": {"in": "cookie", "name": "sid"}, "q": {"in": "query", "name": "quantity"}}),
    );
    let sent = request(Method::POST, "quantity=2").header("cookie", "a=1; sid=x%20y").json("{}");
    assert_eq!(sent.value(&plan), json!({"s": "x y", "q": 2}));
}
