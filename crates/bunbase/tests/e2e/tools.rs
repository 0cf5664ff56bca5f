//! The tools of a project as the protocol's own client sees them, over HTTP and through `bunbase mcp`.

use crate::client::{Client, Project};
use crate::commands::bun;
use crate::server::{Data, Server, repository};
use serde_json::{Value, json};
use tokio::process::Command;

const CALC: &str = r#"
    const tool = (name: string, more = {}) => ({ name, triggers: [{ kind: "tool", name, description: `It is ${name}` }], ...more });
    const number = { type: "number" };
    const names = (at: number) => Array.from({ length: 20 }, (_, index) => `many_${at}_${index}`);
    const several = (at: number) => ({ name: `many${at}`, export: "many",
        triggers: names(at).map((name) => ({ kind: "tool", name, description: "One of many" })) });
    export const config = { handlers: [
        { name: "add", triggers: [{ kind: "tool", name: "add", description: "Adds", annotations: { readOnlyHint: true } }],
          input: { type: "object", properties: { a: number, b: number }, required: ["a", "b"] },
          output: { type: "object", properties: { sum: number }, required: ["sum"] } },
        tool("fail"), tool("throws"), tool("slow"), tool("state"), tool("who"), ...[0, 1, 2, 3, 4].map(several),
    ] };
    let started = false, aborted = false;
    export const add = async (req: Request) => { const { a, b } = await req.json() as any; return Response.json({ sum: a + b }); };
    export const fail = () => Response.json({ error: { code: "sold_out", message: "none is left" } }, { status: 409 });
    export const throws = () => { throw new Error("secret text"); };
    export const slow = (req: Request) => new Promise<Response>((done) => {
        started = true;
        req.signal.addEventListener("abort", () => { aborted = true; done(new Response()); });
    });
    export const state = () => Response.json({ started, aborted });
    export const who = (req: Request) => Response.json(["x-bunbase-trigger", "x-custom", "x-bunbase-client-key", "mcp-protocol-version"]
        .map((name) => req.headers.get(name)));
    export const many = () => new Response("many");"#;

const FILES: &str = r#"
    export const config = { triggers: [{ kind: "tool", name: "who", description: "Another" }] };
    export default () => new Response("files");"#;

struct World {
    server: Server,
    ada: Client,
    project: Project,
    _data: Data,
}

async fn world() -> World {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("tools").await;
    for (name, source, access) in [("calc", CALC, "public"), ("files", FILES, "secret")] {
        ada.deploy(&project, name, "v1", source).await.expect(201);
        let path = format!("/v1/projects/{}/functions/{name}", project.id);
        ada.patch(&path, json!({ "access": access, "max_workers": 1 })).await.expect(200);
    }
    World { server, ada, project, _data: data }
}

/// What the client of the protocol saw.
async fn seen(world: &World, way: &str, key: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    let done = Command::new(bun())
        .args(["crates/bunbase/tests/e2e/tools.ts", way, &world.server.url, env!("CARGO_BIN_EXE_bunbase")])
        .current_dir(repository())
        .env("KEY", key)
        .env("HOME", home.path())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{way}: {out}{err}");
    serde_json::from_str(&out).unwrap()
}

fn check(seen: &Value, way: &str) {
    assert_eq!(seen["server"], "bunbase", "{seen}");
    assert_eq!(seen["pages"], json!([100, 7]), "{seen}");
    let add = &seen["add"];
    assert_eq!((&add["description"], &add["inputSchema"]["required"]), (&"Adds".into(), &json!(["a", "b"])));
    assert_eq!(
        (&add["annotations"], &add["outputSchema"]["type"]),
        (&json!({ "readOnlyHint": true }), &"object".into())
    );
    assert_eq!(seen["sum"]["structuredContent"], json!({ "sum": 3 }));
    assert_eq!(seen["sum"]["content"], json!([{ "type": "text", "text": "{\"sum\":3}" }]));
    let failed = &seen["failed"];
    assert_eq!(
        (&failed["isError"], &failed["content"][0]["text"]),
        (&true.into(), &"sold_out: none is left".into())
    );
    let thrown = seen["thrown"]["content"][0]["text"].as_str().unwrap();
    assert!(seen["thrown"]["isError"] == true && thrown.starts_with("handler_error: "), "{thrown}");
    let custom = if way == "http" { json!("mine") } else { Value::Null };
    let who: Value = serde_json::from_str(seen["who"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(who, json!(["tool", custom, null, null]));
    assert!(seen["missing"].as_str().unwrap().contains("there is no tool"), "{}", seen["missing"]);
    assert_eq!(seen["slow"], "given up");
}

fn has(seen: &Value, name: &str) -> bool {
    seen["names"].as_array().unwrap().iter().any(|known| known == name)
}

#[tokio::test]
async fn a_client_of_the_protocol_lists_and_calls_the_tools_over_http() {
    let world = world().await;
    let by_secret = seen(&world, "http", &world.project.secret_key).await;
    check(&by_secret, "http");
    assert!(has(&by_secret, "files_who") && has(&by_secret, "calc_who") && !has(&by_secret, "who"));
    // A public key has the tools of public functions, under the same names.
    let by_public = seen(&world, "http", &world.project.public_key).await;
    assert!(!has(&by_public, "files_who") && has(&by_public, "calc_who") && has(&by_public, "add"));

    let runs = format!("/v1/projects/{}/functions/calc/runs?trigger=mcp", world.project.id);
    assert!(!world.ada.get(&runs).await.expect(200)["runs"].as_array().unwrap().is_empty());
    world.server.stop().await;
}

#[tokio::test]
async fn a_client_of_the_protocol_reaches_them_through_the_command_line() {
    let world = world().await;
    check(&seen(&world, "stdio", &world.project.secret_key).await, "stdio");
    world.server.stop().await;
}

#[tokio::test]
async fn a_member_of_the_project_has_its_tools_and_other_requests_are_refused() {
    let world = world().await;
    let path = format!("/v1/projects/{}/mcp", world.project.id);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let ask = || {
        world
            .ada
            .request(reqwest::Method::POST, &path)
            .header("accept", "application/json, text/event-stream")
    };
    let answer = world.ada.send(ask().json(&list)).await.expect(200);
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 100);
    let foreign = ask().header("origin", "https://evil.test").json(&list);
    world.ada.send(foreign).await.expect_error(403, "origin_not_allowed");
    world.ada.get(&path).await.expect_error(405, "method_not_allowed");
    let large = ask().body("x".repeat(5 << 20)).header("content-type", "application/json");
    world.ada.send(large).await.expect_error(413, "body_too_large");
    world.server.stop().await;
}
