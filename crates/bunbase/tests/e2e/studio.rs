//! Studio's API of an application, as its developer has it.

use crate::application::application;
use crate::dev::{Dev, save};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// An action that looks after a job.
const LATER: &str = r#"import { action, t, triggers } from "bunbase";

export default action(
  { name: "later", input: t.Object({}), output: t.Any(), triggers: [triggers.api("POST", "/api/later")] },
  async (_input, ctx) => {
    const id = await ctx.queue.push("nobody", { n: 1 }, { delay: 3_600_000 });
    const found = await ctx.queue.get(id);
    const listed = await ctx.queue.getAll({ name: "nobody", status: "delayed" });
    const changed = await ctx.queue.update(id, { data: { changed: true }, priority: 7 });
    const now = await ctx.queue.get(id);
    const gone = await ctx.queue.delete(id);
    const lost = await ctx.queue.update(id, { priority: 1 });
    return { found, ids: listed.map((job) => job.id), changed, now, gone, lost, after: await ctx.queue.get(id) };
  },
);
"#;
const PATIENCE: Duration = Duration::from_secs(30);

/// Studio's API with the token that `dev` printed.
struct Studio {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Studio {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    async fn ask(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(self.request(Method::GET, path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(self.request(Method::POST, path).json(&body)).await
    }

    async fn run(&self, action: &str, input: Value) -> Value {
        let (status, body) = self.post(&format!("/actions/{action}/run"), json!({ "input": input })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["data"].clone()
    }
}

async fn started(dev: &mut Dev) -> Studio {
    let printed = dev.event(|event| event["event"] == "studio").await;
    let text = |name: &str| printed[name].as_str().unwrap().to_owned();
    dev.of("live", "notes").await;
    Studio { http: dev.http.clone(), url: text("url"), token: text("token") }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_and_is_no_admin_learns_nothing() {
    let directory = application();
    let mut dev = Dev::start(&directory.path().join("notes")).await;
    let studio = started(&mut dev).await;
    let status = async |request: RequestBuilder| request.send().await.unwrap().status();
    for path in ["/actions", "/runs", "/runs/live", "/queue", "/schedules", "/logs", "/health"] {
        let request = studio.http.get(format!("{}{path}", studio.url));
        assert_eq!(status(request.try_clone().unwrap()).await, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(status(request.bearer_auth("studio_0")).await, StatusCode::UNAUTHORIZED, "{path}");
    }
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    let signed_up =
        dev.http.post(format!("{}/api/auth/signup", dev.url)).json(&account).send().await.unwrap();
    let cookie = signed_up.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let as_user = |method, path: &str| {
        studio.http.request(method, format!("{}{path}", studio.url)).header("cookie", &cookie)
    };
    assert_eq!(status(as_user(Method::GET, "/runs")).await, StatusCode::FORBIDDEN);
    let run = as_user(Method::POST, "/actions/health/run").json(&json!({}));
    assert_eq!(status(run).await, StatusCode::FORBIDDEN);
    assert_eq!(status(studio.request(Method::GET, "/nothing")).await, StatusCode::NOT_FOUND);
    assert_eq!(status(studio.request(Method::POST, "/runs")).await, StatusCode::METHOD_NOT_ALLOWED);
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_run_and_their_runs_are_kept_without_secrets() {
    let directory = application();
    let mut dev = Dev::start(&directory.path().join("notes")).await;
    let studio = started(&mut dev).await;

    let actions = studio.get("/actions?limit=100").await;
    let named = |name: &str| {
        let all = actions["data"].as_array().unwrap();
        all.iter()
            .find(|action| action["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {actions}"))
            .clone()
    };
    assert_eq!(actions["meta"]["total"].as_u64().unwrap(), actions["data"].as_array().unwrap().len() as u64);
    assert_eq!(named("studio.runs.list")["module"], "studio");
    let create = named("notes.create-note");
    assert_eq!((&create["guards"][0]["name"], &create["module"]), (&json!("authenticated"), &json!("notes")));
    assert!(create["input"]["properties"]["title"].is_object());
    assert_eq!(studio.get("/actions/health").await["data"]["name"], "health");
    let first = studio.get("/actions?limit=2").await;
    let cursor = first["meta"]["cursor"].as_str().unwrap();
    let second = studio.get(&format!("/actions?limit=2&cursor={cursor}")).await;
    assert!(second["data"][0]["name"].as_str().unwrap() > cursor);
    let (status, refused) = studio.ask(studio.request(Method::GET, "/actions?limit=500")).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_input")));

    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    let signup = studio.run("auth.signup", account).await;
    assert_eq!(
        (&signup["status"], &signup["output"]["email"]),
        (&json!("success"), &json!("ada@example.com"))
    );
    let id = signup["run_id"].as_str().unwrap();
    let run = studio.get(&format!("/runs/{id}")).await["data"].clone();
    assert_eq!(run["input"], json!({ "email": "ada@example.com", "password": "[redacted]" }));
    assert_eq!((&run["input_redacted"], &run["status"]), (&json!(true), &json!("success")));
    assert_eq!((&run["action"], &run["module"]), (&json!("auth.signup"), &json!("auth")));
    assert_eq!((&run["trigger"], &run["output"]["email"]), (&json!("call"), &json!("ada@example.com")));
    let (status, conflict) = studio.post(&format!("/runs/{id}/rerun"), json!({})).await;
    assert_eq!((status, &conflict["error"]["code"]), (StatusCode::CONFLICT, &json!("conflict")));

    let failed = studio.run("notes.create-note", json!({ "title": "" })).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("error"), &json!("invalid_input")));
    let health = studio.run("health", json!({})).await;
    let again = format!("/runs/{}/rerun", health["run_id"].as_str().unwrap());
    let (status, rerun) = studio.post(&again, json!({})).await;
    assert_eq!((status, &rerun["data"]["output"]), (StatusCode::OK, &json!({ "ok": true })));
    assert_ne!(rerun["data"]["run_id"], health["run_id"]);
    let errors = studio.get("/runs?status=error").await;
    assert_eq!(errors["data"][0]["id"], failed["run_id"]);
    let of_health = studio.get("/runs?action=health&trigger=call&status=success&limit=1").await;
    assert_eq!(of_health["data"][0]["id"], rerun["data"]["run_id"]);
    let older =
        format!("/runs?action=health&limit=1&cursor={}", of_health["meta"]["cursor"].as_str().unwrap());
    assert_eq!(studio.get(&older).await["data"][0]["id"], health["run_id"]);
    let (status, unknown) = studio.post("/actions/nothing/run", json!({})).await;
    assert_eq!((status, &unknown["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_shown_as_they_end_and_schedules_run_at_once() {
    let directory = application();
    let root = directory.path().join("notes");
    save(&root, "src/later.ts", LATER);
    let mut dev = Dev::start(&root).await;
    let studio = started(&mut dev).await;
    let mut live = studio.request(Method::GET, "/runs/live").send().await.unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    let mut read_until = async |text: &str| {
        let reading = async {
            while !seen.contains(text) {
                seen.push_str(&String::from_utf8_lossy(&live.chunk().await.unwrap().expect("it goes on")));
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("it was never sent");
    };
    read_until("event: connected").await;
    let health = studio.run("health", json!({})).await;
    read_until(health["run_id"].as_str().unwrap()).await;

    let schedules = studio.get("/schedules").await;
    let schedule = schedules["data"][0]["name"].as_str().unwrap();
    assert_eq!(schedules["data"][0]["schedule"], "0 3 * * *");
    let (status, begun) = studio.post(&format!("/schedules/{schedule}/run"), json!({})).await;
    assert_eq!(status, StatusCode::OK, "{begun}");
    read_until("\"trigger\":\"cron\"").await;

    let health = studio.get("/health").await["data"].clone();
    assert_eq!((&health["status"], &health["not_kept"]["runs_dropped"]), (&json!("ok"), &json!(0)));
    studio.get("/queue").await;
    studio.get("/queue/jobs?state=dead").await;
    studio.get("/logs?level=info").await;
    let later = studio.run("later", json!({})).await["output"].clone();
    let found = &later["found"];
    assert_eq!((&found["name"], &found["status"]), (&json!("nobody"), &json!("delayed")), "{later}");
    assert_eq!((&found["data"], &later["ids"]), (&json!({ "n": 1 }), &json!([found["id"]])));
    let changed = (&later["changed"], &later["now"]["data"], &later["lost"]);
    assert_eq!(changed, (&json!(true), &json!({ "changed": true }), &json!(false)), "{later}");
    assert_eq!((&later["gone"], &later["after"]), (&json!(true), &Value::Null));
    let (status, missing) = studio.post("/queue/jobs/job_0/cancel", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
    assert!(dev.stop().await.success());
}
