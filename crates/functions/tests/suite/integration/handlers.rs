//! Several handlers in one bundle: which of them a request enters, with which parameters, and how long it may take.

use crate::support::{Call, Server};
use http::Method;
use serde_json::{Value, json};

/// An application of orders: a module that declares its handlers itself.
const ORDERS: &str = r#"
    const said = (name) => async (req, { params }) =>
        Response.json({ name, method: req.method, path: new URL(req.url).pathname, params, body: await req.text() });
    export const config = {
        handlers: [
            { name: "list", triggers: [{ kind: "http", method: "GET", path: "/orders" }] },
            { name: "create", triggers: [{ kind: "http", method: "POST", path: "/orders" }] },
            { name: "order", export: "one", triggers: [
                { kind: "http", methods: ["GET", "PUT"], path: "/orders/:id" },
                { kind: "http", path: "/shops/:shop/orders/:id" },
            ] },
            { name: "files", triggers: [{ kind: "http", method: "GET", path: "/files/*" }] },
            { name: "slow", triggers: [{ kind: "http", path: "/slow" }], limits: { execution_timeout_ms: 150 } },
            { name: "patient", triggers: [{ kind: "http", path: "/patient" }] },
            { name: "tidy", triggers: [{ kind: "cron", schedule: "@daily" }] },
        ],
    };
    export const list = said("list"), create = said("create"), one = said("one"), files = said("files");
    export const tidy = said("tidy");
    const later = async () => { await new Promise((done) => setTimeout(done, 400)); return new Response("late"); };
    export const slow = later, patient = later;"#;

fn of_quickjs() -> String {
    ORDERS.replace("export const config = {", "export const config = { runtime: \"quickjs\",")
}

async fn called(server: &Server, method: Method, path: &str) -> Value {
    let call = Call::new(method, &format!("/v1/functions/orders{path}")).key("pk_a");
    server.call(call).await.is(200).json()
}

async fn application(source: &str) {
    let server = Server::start().await;
    server.deploy_with("orders", source, json!({ "version": "v1" })).await.is(201);
    for (method, path, name, params) in [
        (Method::GET, "/orders", "list", json!({})),
        (Method::POST, "/orders/?a=1", "create", json!({})),
        (Method::PUT, "/orders/caf%C3%A9", "one", json!({ "id": "café" })),
        (Method::DELETE, "/shops/7/orders/1%2F2", "one", json!({ "shop": "7", "id": "1/2" })),
        (Method::GET, "/files/a/b.txt", "files", json!({ "*": "a/b.txt" })),
    ] {
        let answer = called(&server, method.clone(), path).await;
        assert_eq!((&answer["name"], &answer["params"]), (&name.into(), &params), "{method} {path}");
    }
    // Where the key does not say which project: the same.
    let by_project = format!("/v1/projects/{}/functions/orders@live/invoke/orders/9", server.a);
    assert_eq!(server.get(&by_project).await.is(200).json()["params"], json!({ "id": "9" }));

    let head = server.call(Call::new(Method::HEAD, "/v1/functions/orders/orders").key("pk_a")).await;
    head.is(200);
    let refused = server.call(Call::new(Method::DELETE, "/v1/functions/orders/orders/1").key("pk_a")).await;
    refused.is_error(405, "method_not_allowed");
    assert_eq!(refused.headers["allow"], "GET, HEAD, PUT");
    server.get("/v1/functions/orders/other").await.is_error(404, "not_found");
    server.get("/v1/functions/orders").await.is_error(404, "not_found");
    server.get("/v1/functions/orders/files/../orders").await.is_error(404, "not_found");
    // Who may not call it does not learn what there is.
    server.call(Call::get("/v1/functions/orders/other")).await.is_error(401, "unauthenticated");

    server.get("/v1/functions/orders/slow").await.is_error(504, "timeout");
    assert_eq!(server.get("/v1/functions/orders/patient").await.is(200).text(), "late");
    let runs = server.manage(Method::GET, "/orders/runs?limit=2", None).await.is(200).json();
    let handlers: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|run| &run["handler"]).collect();
    assert_eq!(handlers, ["patient", "slow"]);

    // A start again reads the same from the store.
    let server = server.restart().await;
    assert_eq!(called(&server, Method::GET, "/orders/5").await["params"], json!({ "id": "5" }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_enters_the_handler_of_its_method_and_path() {
    application(ORDERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_quickjs_too() {
    application(&of_quickjs()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_says_twice_or_of_nothing_is_refused_with_its_place() {
    let server = Server::start().await;
    let source = "export const a = () => new Response('a'), b = () => new Response('b')";
    let http = |method: &str, path: &str| json!([{ "kind": "http", "method": method, "path": path }]);
    let deploy = async |handlers: Value| {
        let manifest = json!({ "version": 1, "handlers": handlers });
        server.deploy_with("f", source, json!({ "manifest": manifest })).await
    };
    let twice = [("/x/:a", "GET", "/x/:b", "GET"), ("/*", "POST", "/*", "POST")];
    for (path, method, other_path, other_method) in twice {
        let handlers = json!([
            { "name": "a", "triggers": http(method, path) },
            { "name": "b", "triggers": http(other_method, other_path) },
        ]);
        let refused = deploy(handlers).await;
        refused.is_error(400, "invalid_manifest");
        assert_eq!(refused.json()["error"]["details"]["place"], "handlers[1].triggers[0].path");
    }
    let refused = deploy(json!([{ "name": "a", "triggers": http("GET", "/:x/:x") }])).await;
    refused.is_error(400, "invalid_manifest");
    let missing =
        json!([{ "name": "a", "triggers": http("GET", "/") }, { "name": "c", "triggers": http("PUT", "/") }]);
    let refused = deploy(missing).await;
    refused.is_error(400, "invalid_manifest");
    assert_eq!(refused.json()["error"]["details"]["place"], "handlers[1].export");
    let both = "export const config = { triggers: [], handlers: [] }; export default () => new Response()";
    let refused = server.deploy("f", both).await;
    refused.is_error(400, "invalid_manifest");
    assert_eq!(refused.json()["error"]["details"]["place"], "config.handlers");

    let told_apart = json!([
        { "name": "a", "triggers": http("GET", "/x") },
        { "name": "b", "triggers": [{ "kind": "http" }] },
    ]);
    deploy(told_apart).await.is(201);
    assert_eq!(server.get("/v1/functions/f/x").await.is(200).text(), "a");
    assert_eq!(server.get("/v1/functions/f/y").await.is(200).text(), "b");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_for_the_function_goes_before_the_time_of_a_handler() {
    let server = Server::start().await;
    server.deploy("orders", ORDERS).await.is(201);
    server.get("/v1/functions/orders/slow").await.is_error(504, "timeout");
    // The same as what holds for the others already: only the handler's own time is gone.
    let patch = json!({ "execution_timeout_ms": 30_000 });
    server.manage(Method::PATCH, "/orders", Some(patch)).await.is(200);
    assert_eq!(server.get("/v1/functions/orders/slow").await.is(200).text(), "late");
    server.stop().await;
}
