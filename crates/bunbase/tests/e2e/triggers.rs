//! Functions that something other than a request starts: queues, cron, events, documents; across `kill -9`.

use crate::client::{Client, Project};
use crate::server::{Data, Server};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long something that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not happen");
        tokio::time::sleep(POLL).await;
    }
}

/// A function that writes each of its runs into the collection `runs`, with triggers and what else it does.
fn recorder(triggers: &Value, then: &str) -> String {
    format!(
        r#"import {{ bunbase }} from "bunbase-js/function";
        export const config = {{ triggers: {triggers} }};
        export default async (req: Request) => {{
          const body = await req.json();
          const header = (name: string) => req.headers.get(name);
          const attempt = Number(header("x-bunbase-attempt"));
          await bunbase.db.collection("runs").create({{
            key: header("idempotency-key"), trigger: header("x-bunbase-trigger"),
            handler: header("x-bunbase-handler"), path: new URL(req.url).pathname, attempt, body,
          }});
          {then}
          return new Response(null, {{ status: 204 }});
        }};"#
    )
}

struct Stage {
    server: Server,
    ada: Client,
    project: Project,
    secret: Client,
}

impl Stage {
    async fn set(data: &Data) -> Self {
        let server = Server::start(data).await;
        let ada = server.client().set_up().await;
        let project = ada.project("triggers").await;
        let secret = server.client().with_key(&project.secret_key);
        Self { server, ada, project, secret }
    }

    async fn deploy(&self, name: &str, version: &str, source: &str) {
        let answer = self.ada.deploy(&self.project, name, version, source).await;
        assert!(answer.status.is_success(), "{}", answer.body);
    }

    /// `kill -9`, and a server again over the same data.
    async fn kill(self, data: &Data) -> Self {
        self.server.kill().await;
        let server = Server::start(data).await;
        Self { ada: self.ada.at(&server), secret: self.secret.at(&server), server, ..self }
    }

    async fn runs(&self) -> Vec<Value> {
        let (mut runs, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut query = json!({ "query": {}, "limit": 1000 });
            if !cursor.is_null() {
                query["cursor"] = cursor;
            }
            let page = self.secret.post("/v1/database/collections/runs/documents/query", query).await;
            if page.status == 404 {
                return runs;
            }
            let page = page.expect(200);
            runs.extend(page["documents"].as_array().unwrap().iter().cloned());
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                return runs;
            }
        }
    }

    async fn runs_of(&self, count: usize) -> Vec<Value> {
        eventually(&format!("run {count}"), async || {
            let runs = self.runs().await;
            (runs.len() >= count).then_some(runs)
        })
        .await
    }

    async fn enqueue(&self, queue: &str, payload: Value, options: Value) -> Value {
        let body = json!({ "payload": payload, "options": options });
        self.secret.post(&format!("/v1/queues/{queue}/jobs"), body).await.expect(202)
    }

    async fn queue(&self, name: &str) -> Value {
        let listed = self.secret.get("/v1/queues").await.expect(200);
        let found = listed["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == name);
        found.cloned().unwrap_or_default()
    }

    async fn idle(&self, name: &str) {
        eventually("the queue is empty", async || {
            let queue = self.queue(name).await;
            let waits = ["ready", "held", "delayed", "running"].iter().any(|state| queue[state] != 0);
            (queue.is_null() || !waits).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_job_of_a_batch_runs_the_function_that_consumes_its_queue() {
    let data = Data::new();
    let stage = Stage::set(&data).await;
    let triggers = json!([{ "kind": "queue", "queue": "mail" }]);
    stage.deploy("mailer", "v1", &recorder(&triggers, "")).await;
    let operations = json!([
        { "op": "insert", "collection": "orders", "id": "1", "document": { "total": 5 } },
        { "op": "enqueue", "queue": "mail", "payload": { "order": "1" }, "options": {} },
    ]);
    stage.secret.post("/v1/database/batch", json!({ "operations": operations })).await.expect(200);
    let runs = stage.runs_of(1).await;
    let run = &runs[0];
    assert_eq!((&run["trigger"], &run["attempt"], &run["path"]), (&json!("queue"), &json!(1), &json!("/")));
    assert_eq!(run["handler"], "default");
    assert_eq!((&run["body"]["type"], &run["body"]["queue"]), (&json!("queue"), &json!("mail")));
    assert_eq!(run["body"]["payload"], json!({ "order": "1" }));
    assert_eq!(run["key"], run["body"]["job_id"]);
    // It has no trigger for requests.
    stage.secret.post("/v1/functions/mailer", json!({})).await.expect_error(404, "not_found");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_job_of_a_batch_survives_a_kill_between_the_answer_and_the_run() {
    let data = Data::new();
    let mut stage = Stage::set(&data).await;
    let operations = |n: u32| json!([{ "op": "enqueue", "queue": "mail", "payload": n, "options": {} }]);
    let triggers = json!([{ "kind": "queue", "queue": "mail" }]);
    // The queue has no consumer yet, so that nothing runs before the kill.
    for n in 0..5 {
        stage.secret.post("/v1/database/batch", json!({ "operations": operations(n) })).await.expect(200);
        stage = stage.kill(&data).await;
    }
    stage.deploy("mailer", "v1", &recorder(&triggers, "")).await;
    let runs = stage.runs_of(5).await;
    let mut payloads: Vec<_> = runs.iter().map(|run| run["body"]["payload"].as_u64().unwrap()).collect();
    payloads.sort_unstable();
    assert_eq!(payloads, [0, 1, 2, 3, 4]);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_failed_job_is_tried_again_until_it_is_dead_and_can_be_replayed() {
    let data = Data::new();
    let stage = Stage::set(&data).await;
    let retries = json!({ "max_attempts": 3, "backoff_ms": 1, "max_backoff_ms": 5 });
    let triggers = json!([{ "kind": "queue", "queue": "a/b", "retries": retries }]);
    let failing = "return new Response('no', { status: body.payload.status });";
    stage.deploy("worker", "v1", &recorder(&triggers, failing)).await;
    let job = stage.enqueue("a%2Fb", json!({ "status": 500 }), json!({})).await;
    let dead = eventually("a dead letter", async || {
        let dead = stage.secret.get("/v1/queues/a%2Fb/dead").await.expect(200);
        dead["jobs"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((&dead["id"], &dead["attempts"]), (&job["id"], &json!(3)));
    assert!(dead["error"].as_str().unwrap().starts_with("the function answered 500"), "{dead}");
    let runs = stage.runs().await;
    let mut attempts: Vec<_> = runs.iter().map(|run| run["attempt"].as_u64().unwrap()).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(runs.iter().all(|run| run["key"] == job["id"]), "{runs:?}");

    stage.deploy("worker", "v2", &recorder(&triggers, "")).await;
    let project = format!("/v1/projects/{}", stage.project.id);
    let path = format!("{project}/queues/a%2Fb/dead/{}/replay", job["id"].as_str().unwrap());
    stage.ada.post(&path, json!({})).await.expect(204);
    stage.runs_of(4).await;
    stage.idle("a/b").await;
    assert_eq!(stage.secret.get("/v1/queues/a%2Fb/dead").await.expect(200)["jobs"], json!([]));

    stage.deploy("worker", "v3", &recorder(&triggers, failing)).await;
    // Gone for good: one attempt.
    stage.enqueue("a%2Fb", json!({ "status": 410 }), json!({})).await;
    stage.enqueue("a%2Fb", json!({ "status": 410 }), json!({})).await;
    eventually("two dead letters", async || (stage.queue("a/b").await["dead"] == 2).then_some(())).await;
    assert_eq!(stage.runs().await.len(), 6);
    let dead = stage.secret.request(Method::DELETE, "/v1/queues/a%2Fb/dead");
    assert_eq!(stage.secret.send(dead).await.expect(200)["count"], 2);
    stage.server.stop().await;
}

#[tokio::test]
async fn a_queue_can_be_paused_and_looked_at() {
    let data = Data::new();
    let stage = Stage::set(&data).await;
    stage.secret.post("/v1/queues/mail/pause", json!({})).await.expect(204);
    stage
        .deploy(
            "mailer",
            "v1",
            &recorder(&json!([{ "kind": "queue", "queue": "mail", "concurrency": 3 }]), ""),
        )
        .await;
    let first = stage.enqueue("mail", json!({ "n": 1 }), json!({ "unique_key": "one" })).await;
    let again = stage.enqueue("mail", json!({ "n": 2 }), json!({ "unique_key": "one" })).await;
    assert_eq!((&again["id"], &again["existed"]), (&first["id"], &json!(true)));
    let delayed = stage.enqueue("mail", json!({ "n": 3 }), json!({ "delay_ms": 3_600_000 })).await;
    let queue = stage.queue("mail").await;
    assert_eq!((&queue["ready"], &queue["delayed"]), (&json!(1), &json!(1)), "{queue}");
    assert_eq!((&queue["paused"], &queue["concurrency"]), (&json!(true), &json!(3)), "{queue}");
    assert_eq!(queue["consumer"], "mailer");
    let listed = stage.secret.get("/v1/queues/mail/jobs?state=delayed").await.expect(200);
    assert_eq!(listed["jobs"][0]["id"], delayed["id"]);
    let path = format!("/v1/queues/mail/jobs/{}", delayed["id"].as_str().unwrap());
    assert_eq!(stage.secret.get(&path).await.expect(200)["payload"], json!({ "n": 3 }));
    stage.secret.delete(&path).await.expect(204);
    stage.secret.get(&path).await.expect_error(404, "job_not_found");
    stage.secret.post("/v1/queues/mail/resume", json!({})).await.expect(204);
    assert_eq!(stage.runs_of(1).await[0]["body"]["payload"], json!({ "n": 1 }));
    let own = json!({ "payload": 1 });
    stage.secret.post("/v1/queues/$cron%2Fmailer/jobs", own).await.expect_error(400, "invalid_request");
    stage.server.stop().await;
}

#[tokio::test]
async fn a_schedule_follows_the_live_version() {
    let data = Data::new();
    let stage = Stage::set(&data).await;
    let cron = json!([{ "kind": "cron", "schedule": "* * * * * *", "payload": { "deep": true } }, { "kind": "http" }]);
    stage.deploy("tidy", "v1", &recorder(&cron, "")).await;
    let listed = stage.secret.get("/v1/schedules").await.expect(200);
    let schedule = &listed["schedules"][0];
    assert_eq!((&schedule["name"], &schedule["function"]), (&json!("tidy"), &json!("tidy")));
    assert_eq!(schedule["next"].as_array().unwrap().len(), 5);
    let runs = stage.runs_of(2).await;
    let body = &runs[0]["body"];
    assert_eq!((&body["type"], &body["schedule"]), (&json!("cron"), &json!("* * * * * *")));
    assert_eq!((&runs[0]["trigger"], &body["payload"]), (&json!("cron"), &json!({ "deep": true })));
    let times: Vec<_> = runs.iter().map(|run| run["body"]["scheduled_at"].as_str().unwrap()).collect();
    assert!(times[0] != times[1], "{times:?}");

    stage.deploy("tidy", "v2", &recorder(&json!([{ "kind": "cron", "schedule": "0 3 * * *" }]), "")).await;
    let schedule = stage.secret.get("/v1/schedules/tidy").await.expect(200)["schedule"].clone();
    assert_eq!(schedule["schedule"], "0 3 * * *");
    let asked = stage.secret.post("/v1/schedules/tidy/run", json!({})).await.expect(202);
    eventually("the run by hand is done", async || {
        let detail = stage.secret.get("/v1/schedules/tidy").await.expect(200);
        let runs = detail["runs"].as_array().unwrap();
        runs.iter().find(|run| run["job"] == asked["id"] && run["outcome"] == "done").cloned()
    })
    .await;
    let paused = stage.secret.post("/v1/schedules/tidy/pause", json!({})).await.expect(200);
    assert_eq!(paused["paused"], true);
    let rollback = format!("/v1/projects/{}/functions/tidy/rollback", stage.project.id);
    stage.ada.post(&rollback, json!({})).await.expect(200);
    let schedule = stage.secret.get("/v1/schedules/tidy").await.expect(200)["schedule"].clone();
    assert_eq!((&schedule["schedule"], &schedule["paused"]), (&json!("* * * * * *"), &json!(true)));
    stage.ada.delete(&format!("/v1/projects/{}/functions/tidy", stage.project.id)).await.expect(204);
    assert_eq!(stage.secret.get("/v1/schedules").await.expect(200)["schedules"], json!([]));
    stage.server.stop().await;
}

#[tokio::test]
async fn each_trigger_starts_the_handler_that_it_stands_at() {
    let data = Data::new();
    let stage = Stage::set(&data).await;
    let source = r#"import { bunbase } from "bunbase-js/function";
        const wrote = (name: string) => async (req: Request) => {
          const { type } = await req.json();
          await bunbase.db.collection("runs").create({ name, type, handler: req.headers.get("x-bunbase-handler") });
          return new Response(null, { status: 204 });
        };
        export const config = {
          handlers: [
            { name: "order", triggers: [{ kind: "http", methods: ["GET"], path: "/orders/:id" }] },
            { name: "nightly", export: "tidy", triggers: [{ kind: "cron", schedule: "* * * * * *" }] },
            { name: "mail", triggers: [{ kind: "queue", queue: "mail" }] },
          ],
        };
        export const order = (_: Request, { params }: { params: { id: string } }) => Response.json(params);
        export const tidy = wrote("tidy");
        export const mail = wrote("mail");"#;
    stage.deploy("shop", "v1", source).await;
    let order = stage.secret.get("/v1/functions/shop/orders/7%207").await.expect(200);
    assert_eq!(order, json!({ "id": "7 7" }));
    let refused = stage.secret.post("/v1/functions/shop/orders/7", json!({})).await;
    refused.expect_error(405, "method_not_allowed");
    stage.enqueue("mail", json!({}), json!({})).await;
    let wanted = [("tidy", "nightly", "cron"), ("mail", "mail", "queue")];
    for (name, handler, kind) in wanted {
        eventually(&format!("a run of {name}"), async || {
            let runs = stage.runs().await;
            runs.into_iter()
                .find(|run| (&run["name"], &run["handler"], &run["type"]) == (&name.into(), &handler.into(), &kind.into()))
        })
        .await;
    }
    let runs = format!("/v1/projects/{}/functions/shop/runs?trigger=http", stage.project.id);
    let runs = stage.ada.get(&runs).await.expect(200);
    assert_eq!(runs["runs"][0]["handler"], "order");
    stage.server.stop().await;
}

#[tokio::test]
async fn events_that_pass_the_filter_start_a_function_and_durable_ones_survive_a_kill() {
    let data = Data::new();
    let mut stage = Stage::set(&data).await;
    stage.secret.put("/v1/events/orders.paid", json!({ "durable": true })).await.expect(200);
    stage.secret.post("/v1/events/orders.paid", json!({ "total": 1_000 })).await.expect(201);
    let triggers = json!([{ "kind": "event", "topic": "orders.*", "filter": { "total": { "$gte": 10 } } }]);
    stage.deploy("ship", "v1", &recorder(&triggers, "")).await;
    // What came before the trigger is not its concern.
    stage.secret.post("/v1/events/orders.paid", json!({ "total": 9 })).await.expect(201);
    stage.secret.post("/v1/events/orders.paid", json!({ "total": 12 })).await.expect(201);
    stage.secret.post("/v1/events/orders.made", json!({ "total": 11 })).await.expect(202);
    let runs = stage.runs_of(2).await;
    let totals = |runs: &[Value]| -> Vec<u64> {
        let mut totals: Vec<_> =
            runs.iter().map(|run| run["body"]["payload"]["total"].as_u64().unwrap()).collect();
        totals.sort_unstable();
        totals
    };
    assert_eq!(totals(&runs), [11, 12]);
    let durable = runs.iter().find(|run| run["body"]["topic"] == "orders.paid").unwrap();
    assert_eq!((&durable["trigger"], &durable["body"]["offset"]), (&json!("event"), &json!(2)));
    assert!(durable["key"].as_str().unwrap().ends_with(durable["body"]["id"].as_str().unwrap()));
    for total in 100..103 {
        stage.secret.post("/v1/events/orders.paid", json!({ "total": total })).await.expect(201);
        stage = stage.kill(&data).await;
    }
    assert_eq!(totals(&stage.runs_of(5).await), [11, 12, 100, 101, 102]);
    stage.server.stop().await;
}

#[tokio::test]
async fn changes_of_documents_start_a_function_also_across_a_kill() {
    let data = Data::new();
    let mut stage = Stage::set(&data).await;
    let triggers = json!([
        { "kind": "document", "collection": "orders", "operations": ["created", "deleted"] },
        { "kind": "document", "collection": "users/*/posts", "filter": { "public": true } },
    ]);
    stage.deploy("index", "v1", &recorder(&triggers, "")).await;
    let orders = "/v1/database/collections/orders/documents";
    stage.secret.put(&format!("{orders}/a"), json!({ "n": 1 })).await;
    stage.secret.put(&format!("{orders}/a"), json!({ "n": 2 })).await;
    stage.secret.delete(&format!("{orders}/a")).await;
    let posts = "/v1/database/collections/users%2F1%2Fposts/documents";
    stage.secret.put(&format!("{posts}/p"), json!({ "public": true })).await;
    stage.secret.put(&format!("{posts}/q"), json!({ "public": false })).await;
    let runs = stage.runs_of(3).await;
    let mut told: Vec<_> = runs
        .iter()
        .map(|run| {
            let text = |field: &str| run["body"][field].as_str().unwrap().to_owned();
            (text("collection"), text("operation"), text("docId"))
        })
        .collect();
    told.sort_unstable();
    let wanted = [("orders", "created", "a"), ("orders", "deleted", "a"), ("users/1/posts", "created", "p")];
    let wanted = wanted
        .map(|(collection, operation, id)| (collection.to_owned(), operation.to_owned(), id.to_owned()));
    assert_eq!(told, wanted);
    let made = runs.iter().find(|run| run["body"]["operation"] == "created" && run["body"]["docId"] == "a");
    assert_eq!(made.unwrap()["body"]["document"], json!({ "_id": "a", "n": 1 }));
    for n in 0..3 {
        stage.secret.put(&format!("{orders}/k{n}"), json!({ "n": n })).await;
        stage = stage.kill(&data).await;
    }
    let runs = stage.runs_of(6).await;
    let keys: BTreeMap<_, _> = runs.iter().map(|run| (run["key"].to_string(), &run["body"])).collect();
    assert_eq!(keys.len(), 6, "{runs:?}");
    stage.server.stop().await;
}

/// Rounds of the crash test: 4, or `BUNBASE_CRASH_ROUNDS`.
fn rounds() -> u64 {
    std::env::var("BUNBASE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Jobs of one writer in one round: those of all fit into one page of a list.
const JOBS_MAX: usize = 200;

/// Enqueues until the server is gone; gives what was acknowledged.
async fn enqueue_until_gone(client: Client) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while acknowledged.len() < JOBS_MAX {
        let request = client.request(Method::POST, "/v1/queues/load/jobs").json(&json!({ "payload": 1 }));
        let Ok(response) = request.send().await else { return acknowledged };
        if response.status() == 202 {
            let Ok(body) = response.json::<Value>().await else { return acknowledged };
            acknowledged.push(body["id"].as_str().unwrap().to_owned());
        }
    }
    acknowledged
}

/// How often each job of the queue ran.
fn counts(runs: &[Value]) -> BTreeMap<String, usize> {
    let of_queue = runs.iter().filter(|run| run["trigger"] == "queue");
    of_queue.fold(BTreeMap::new(), |mut counts, run| {
        *counts.entry(run["key"].as_str().unwrap().to_owned()).or_default() += 1;
        counts
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_loses_no_acknowledged_job_and_repeats_none_that_ended() {
    let data = Data::new();
    let mut stage = Stage::set(&data).await;
    let triggers = json!([
        { "kind": "queue", "queue": "load", "concurrency": 8, "retries": { "max_attempts": 50, "backoff_ms": 1 } },
        { "kind": "cron", "schedule": "* * * * * *", "catch_up": "last" },
    ]);
    stage.deploy("load", "v1", &recorder(&triggers, "")).await;
    let mut acknowledged = Vec::new();
    for round in 0..rounds() {
        let writers: Vec<_> =
            (0..4).map(|_| tokio::spawn(enqueue_until_gone(stage.secret.clone()))).collect();
        stage.runs_of(stage.runs().await.len() + 40).await;
        // What has ended by now has to stay as it is.
        let before = counts(&stage.runs().await);
        let waiting = stage.secret.get("/v1/queues/load/jobs?limit=1000").await.expect(200);
        let waiting: Vec<_> = waiting["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["id"].as_str().unwrap().to_owned())
            .collect();
        stage = stage.kill(&data).await;
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        stage.idle("load").await;
        let after = counts(&stage.runs().await);
        let lost: Vec<_> = acknowledged.iter().filter(|id| !after.contains_key(*id)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        assert!(waiting.len() < 1_000, "all of them are listed");
        let ended = before.iter().filter(|(id, _)| !waiting.contains(id));
        let again: Vec<_> = ended.filter(|(id, count)| after[*id] > **count).collect();
        assert!(again.is_empty(), "round {round}: {again:?}");
    }
    let runs = stage.runs().await;
    let planned: Vec<_> = runs.iter().filter(|run| run["trigger"] == "cron").collect();
    let mut times: BTreeMap<&str, &str> = BTreeMap::new();
    for run in planned {
        let (time, key) = (run["body"]["scheduled_at"].as_str().unwrap(), run["key"].as_str().unwrap());
        assert_eq!(*times.entry(time).or_insert(key), key, "one job for each planned time");
    }
    assert!(acknowledged.len() > 50, "{} jobs", acknowledged.len());
    stage.server.stop().await;
}
