//! The same installation as processes of their own: a plain reverse proxy in front, gRPC between them.

use crate::client::Client;
use crate::platform::a_day;
use crate::server::{Data, Server, free_address};
use crate::sockets::{ROOM, Socket};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

/// In the order in which they are started: it does not matter, and so it is not a good one.
const SERVICES: &[&str] = &[
    "gateway",
    "functions",
    "tenant-auth",
    "platform",
    "bundoc-server",
    "bunder-manager",
    "storage",
    "buncast",
    "bun-auth",
    "bun-kms",
];

/// How long a service may take to be reached again.
const PATIENCE: Duration = Duration::from_secs(20);

/// One process for each service.
struct Installation {
    addresses: BTreeMap<&'static str, String>,
    data: BTreeMap<&'static str, Data>,
    running: BTreeMap<&'static str, Server>,
    settings: PathBuf,
    _directory: TempDir,
}

impl Installation {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let addresses: BTreeMap<_, _> = SERVICES.iter().map(|service| (*service, free_address())).collect();
        let settings = directory.path().join("bunbase.toml");
        let mut text = format!(
            "[gateway]\npublic_url = \"http://{}\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n\
             [rpc]\nsecret = \"{}\"\n[rpc.addresses]\n",
            addresses["gateway"],
            "0123456789abcdef".repeat(4)
        );
        for (service, address) in addresses.iter().filter(|(service, _)| **service != "gateway") {
            writeln!(text, "{service} = \"{address}\"").unwrap();
        }
        std::fs::write(&settings, text).unwrap();
        let data = SERVICES.iter().map(|service| (*service, Data::new())).collect();
        let mut installation =
            Self { addresses, data, running: BTreeMap::new(), settings, _directory: directory };
        for service in SERVICES {
            installation.run(service).await;
        }
        installation
    }

    async fn run(&mut self, service: &'static str) {
        let settings = self.settings.display().to_string();
        let arguments =
            ["--services", service, "--listen", &self.addresses[service], "--config", settings.as_str()];
        let server = Server::start_with(&self.data[service], &arguments).await;
        self.running.insert(service, server);
    }

    async fn kill(&mut self, service: &'static str) {
        self.running.remove(service).unwrap().kill().await;
    }

    fn client(&self) -> Client {
        self.running["gateway"].client()
    }

    async fn stop(self) {
        for (service, server) in self.running {
            let (status, log) = server.stop().await;
            assert!(status.success(), "{service}: {status}\n{log}");
        }
    }
}

#[tokio::test]
async fn a_day_on_a_process_for_each_service() {
    let installation = Installation::start().await;
    for server in installation.running.values() {
        for page in ["/health", "/metrics"] {
            assert_eq!(server.client().get(page).await.status, 200, "{page} of {}", server.url);
        }
    }
    a_day(&installation.client()).await;
    installation.stop().await;
}

/// What needs a service, by the service.
const NEEDS: &[(&str, &str)] = &[
    ("bundoc-server", "/v1/database/collections"),
    ("buncast", "/v1/events"),
    ("bun-kms", "/v1/kms/secrets"),
    ("bunder-manager", "/v1/kv/keys"),
    ("storage", "/v1/storage"),
    ("tenant-auth", "/v1/auth/users"),
    ("functions", "/v1/functions/hello"),
    ("platform", "/v1/project"),
];

#[tokio::test]
async fn a_killed_service_is_a_503_for_what_needs_it_and_comes_back_by_itself() {
    let mut installation = Installation::start().await;
    let nobody = installation.client();
    let ada = nobody.set_up().await;
    let project = ada.project("shop").await;
    ada.deploy(&project, "hello", "v1", "export default () => Response.json('hi')").await.expect(201);
    let key = nobody.with_key(&project.secret_key);
    // Over gRPC the process answers that runs them.
    let credential = functions_client::Credential::key(&project.secret_key).unwrap();
    let address = format!("http://{}", installation.addresses["functions"]);
    let functions = functions_client::FunctionsClient::connect(&address, credential).await.unwrap();
    let answer = functions.invoke("hello", http::Request::new("")).await.unwrap();
    assert_eq!(answer.body(), "\"hi\"");
    ada.deploy(&project, "room", "v1", ROOM).await.expect(201);
    let path = format!("/v1/functions/room?key={}", project.public_key);
    let mut socket = Socket::open(&installation.running["gateway"], &path, &[]).await.unwrap();
    socket.echoes(Message::text("through both")).await;
    for (service, path) in NEEDS {
        key.get(path).await.expect(200);
        installation.kill(service).await;
        let error = key.get(path).await.expect_error(503, "unavailable");
        assert_eq!(error["error"]["details"]["service"], *service, "{error}");
        let (_, other) = NEEDS.iter().find(|(other, _)| other != service && *other != "platform").unwrap();
        if *service != "platform" {
            key.get(other).await.expect(200);
        }
        installation.run(service).await;
        comes_back(&key, path).await;
    }
    installation.kill("bun-auth").await;
    let credentials = json!({ "email": "ada@example.com", "password": "x" });
    nobody.post("/v1/auth/login", credentials).await.expect_error(503, "unavailable");
    key.get("/v1/database/collections").await.expect(200);
    installation.run("bun-auth").await;
    comes_back(&ada, "/v1/auth/me").await;
    installation.stop().await;
}

/// Asks until the service is reached again.
async fn comes_back(client: &Client, path: &str) {
    let asked = async {
        loop {
            let answer = client.send(client.request(Method::GET, path)).await;
            if answer.status == 200 {
                return;
            }
            assert_eq!(answer.status, 503, "{}", answer.body);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the service is reached again");
}

/// Emits when it is asked to, and keeps what it hears.
const EVENTS: &str = r#"
    import { action, module, t, triggers } from "bunbase";
    const n = t.Object({ n: t.Integer() });
    export default module({ name: "events", apiPrefix: "/api/events", actions: [
        action({ name: "emit", input: n, output: t.Object({}), triggers: [triggers.api("POST", "/emit")] },
            async (input, ctx) => { await ctx.event.emit("said", input); return {}; }),
        action({ name: "hear", input: n, output: t.Object({}), triggers: [triggers.event("told")] },
            async (input, ctx) => { await ctx.kv.set(`heard-${input.n}`, input); return {}; }),
        action({ name: "heard", input: n, output: t.Object({ n: t.Any() }), triggers: [triggers.api("GET", "/heard/:n")] },
            async (input, ctx) => ({ n: (await ctx.kv.get(`heard-${input.n}`) as any)?.n ?? null })),
    ] });
"#;

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_application_cross_to_the_bus_in_another_process_and_outlive_it() {
    let mut installation = Installation::start().await;
    let nobody = installation.client();
    let ada = nobody.set_up().await;
    let project = ada.project("shop").await;
    let key = nobody.with_key(&project.secret_key);
    let directory = crate::application::application();
    let root = directory.path().join("notes");
    crate::dev::save(&root, "src/events/_module.ts", EVENTS);
    let cli = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bunbase"));
        command
            .args(arguments)
            .current_dir(&root)
            .env("BUNBASE_URL", &installation.running["gateway"].url)
            .env("BUNBASE_KEY", &project.secret_key)
            .env("BUNBASE_PROJECT", &project.id)
            .env("BUNBASE_BUN_PATH", crate::commands::bun())
            .stdin(std::process::Stdio::piped());
        command
    };
    let mut set = cli(&["functions", "env", "set", "SESSION_SECRET=-"]).spawn().unwrap();
    std::io::Write::write_all(&mut set.stdin.take().unwrap(), b"a secret of more than thirty-two bytes")
        .unwrap();
    assert!(set.wait().unwrap().success());
    let deployed = cli(&["deploy"]).output().unwrap();
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));

    key.put("/v1/events/told", json!({ "durable": true })).await.expect(200);
    let application = format!("/v1/apps/{}/api/events", project.id);
    let hears = async |n: u32| {
        let asked = async {
            loop {
                let answer = nobody.get(&format!("{application}/heard/{n}")).await;
                if answer.status == 200 && answer.body["data"]["n"] == n {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{n} never came"));
    };
    key.post("/v1/events/told", json!({ "n": 1 })).await.expect(201);
    hears(1).await;
    let mut stream = key.request(Method::GET, "/v1/events/said/subscribe").send().await.unwrap();
    nobody.post(&format!("{application}/emit"), json!({ "n": 5 })).await.expect(200);
    let mut told = String::new();
    while !told.contains(r#"{"n":5}"#) {
        let piece = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("it is told").unwrap();
        told.push_str(&String::from_utf8_lossy(&piece.expect("the stream goes on")));
    }
    // The bus goes away and comes back: what was kept is delivered, and what comes after it.
    installation.kill("buncast").await;
    installation.run("buncast").await;
    comes_back(&key, "/v1/events").await;
    key.post("/v1/events/told", json!({ "n": 2 })).await.expect(201);
    hears(2).await;
    installation.stop().await;
}
