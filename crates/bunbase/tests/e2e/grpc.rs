//! Functions over gRPC, on the TCP port and on the Unix socket of a real server.

use crate::authorisation::{add_member, token};
use crate::client::{Client, Project};
use crate::server::{Data, Server, command};
use functions_client::{Credential, ErrorCode, FunctionsClient, LogsQuery};
use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use rpc::functions_v1 as wire;
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use wire::functions_client::FunctionsClient as Wire;
use wire::invoke_part::Part;

/// How long what was begun may take to show.
const PATIENCE: Duration = Duration::from_secs(20);

const ECHO: &str = "export default async (req) => Response.json({
    method: req.method, at: new URL(req.url).pathname + new URL(req.url).search, body: await req.text(),
    key: req.headers.get('x-bunbase-client-key'), application: req.headers.get('authorization'),
})";

async fn connect(url: &str) -> Wire<Channel> {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    Wire::new(channel).max_encoding_message_size(64 << 20)
}

/// What a caller has in its metadata.
#[derive(Clone, Default)]
struct Caller(Vec<(&'static str, String)>);

impl Caller {
    fn key(key: &str) -> Self {
        Self(vec![("x-bunbase-client-key", key.to_owned())])
    }

    fn bearer(token: &str) -> Self {
        Self(vec![("authorization", format!("Bearer {token}"))])
    }

    fn within(mut self, project: &Project) -> Self {
        self.0.push(("x-bunbase-project", project.id.clone()));
        self
    }

    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.0 {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        request
    }
}

fn invocation(function: &str, body: &[u8]) -> wire::InvokeRequest {
    let (function, body) = (function.to_owned(), body.to_vec().into());
    wire::InvokeRequest { function, body, ..Default::default() }
}

fn deployment(function: &str, chunks: &[&str]) -> Vec<wire::DeployRequest> {
    use wire::deploy_request::Part;
    let deployment = wire::Deployment { function: function.to_owned(), ..Default::default() };
    let chunks = chunks.iter().map(|chunk| Part::Chunk(chunk.as_bytes().to_vec().into()));
    let parts = std::iter::once(Part::Deployment(deployment)).chain(chunks);
    parts.map(|part| wire::DeployRequest { part: Some(part) }).collect()
}

fn refusal(status: &Status) -> (Code, &'static str) {
    (status.code(), rpc::code_of(status).map_or("none", ErrorCode::as_str))
}

const METHODS: [&str; 7] = ["Register", "Deploy", "Get", "List", "Invoke", "InvokeStream", "Logs"];

/// Calls a method with a message that may be wrong in other ways.
async fn try_out(grpc: &Wire<Channel>, method: &str, caller: &Caller) -> (Code, &'static str) {
    let (mut grpc, function) = (grpc.clone(), "hello".to_owned());
    let done = match method {
        "Register" => {
            let message = wire::RegisterRequest { function, ..Default::default() };
            grpc.register(caller.ask(message)).await.map(drop)
        }
        "Deploy" => {
            grpc.deploy(caller.ask(futures_util::stream::iter(deployment("hello", &[])))).await.map(drop)
        }
        "Get" => grpc.get(caller.ask(wire::GetRequest { function })).await.map(drop),
        "List" => grpc.list(caller.ask(wire::ListRequest {})).await.map(drop),
        "Invoke" => grpc.invoke(caller.ask(invocation("hello", b""))).await.map(drop),
        "InvokeStream" => grpc.invoke_stream(caller.ask(invocation("hello", b""))).await.map(drop),
        "Logs" => {
            let message = wire::LogsRequest { function, follow: true, ..Default::default() };
            grpc.logs(caller.ask(message)).await.map(drop)
        }
        other => panic!("{other} is tried out nowhere"),
    };
    done.map_or_else(|status| refusal(&status), |()| (Code::Ok, "none"))
}

#[tokio::test]
async fn each_call_asks_what_its_route_asks() {
    let data = Data::new();
    let server = Server::start_with(&data, &["--registration", "open"]).await;
    let owner = server.client().set_up().await;
    let ours = owner.project("ours").await;
    owner.deploy(&ours, "hello", "v1", ECHO).await.expect(201);
    let viewer = server.client().sign_in("/v1/auth/register", "viewer@example.com").await;
    let id = viewer.get("/v1/auth/me").await.expect(200)["user"]["id"].as_str().unwrap().to_owned();
    add_member(&data, &ours, &id, "viewer").await;
    let theirs = viewer.project("theirs").await;

    let in_ours = |text: &str| Caller::bearer(text).within(&ours);
    let all = BTreeSet::from(METHODS);
    let (calls, looks) =
        (BTreeSet::from(["Invoke", "InvokeStream"]), BTreeSet::from(["Get", "List", "Logs"]));
    let none = BTreeSet::new();
    let unauthenticated = (Code::Unauthenticated, "unauthenticated");
    let forbidden = (Code::PermissionDenied, "forbidden");
    let foreign = (Code::NotFound, "project_not_found");
    let owners = token(&owner, "*").await;
    let cast = [
        ("nobody", Caller::default(), &none, unauthenticated),
        ("nobody in a project", Caller::default().within(&ours), &none, unauthenticated),
        ("a wrong key", Caller::key("sk_wrong"), &none, unauthenticated),
        ("a token in no project", Caller::bearer(&owners), &none, unauthenticated),
        ("a foreign key", Caller::key(&theirs.secret_key).within(&ours), &none, foreign),
        ("the owner elsewhere", Caller::bearer(&owners).within(&theirs), &none, foreign),
        ("a viewer", in_ours(&token(&viewer, "*").await), &looks, forbidden),
        ("a narrow token", in_ours(&token(&owner, "account:read").await), &none, forbidden),
        ("the owner", in_ours(&owners), &all, forbidden),
        ("a public key", Caller::key(&ours.public_key), &calls, forbidden),
        ("a secret key", Caller::key(&ours.secret_key), &all, forbidden),
        ("a secret key and its project", Caller::key(&ours.secret_key).within(&ours), &all, forbidden),
    ];
    let grpc = connect(&server.url).await;
    for (who, caller, may, refused) in &cast {
        for method in METHODS {
            let got = try_out(&grpc, method, caller).await;
            if may.contains(method) {
                // The deployment has no code.
                let fine = if method == "Deploy" {
                    (Code::InvalidArgument, "invalid_request")
                } else {
                    (Code::Ok, "none")
                };
                assert_eq!(got, fine, "{who}: {method}");
            } else {
                assert_eq!(got, *refused, "{who}: {method}");
            }
        }
    }
    // What everybody may call is called without a credential, once it is said in which project.
    let path = format!("/v1/projects/{}/functions/hello", ours.id);
    owner.patch(&path, json!({ "access": "public" })).await.expect(200);
    let stranger = Caller::default().within(&ours);
    assert_eq!(try_out(&grpc, "Invoke", &stranger).await, (Code::Ok, "none"));
    assert_eq!(try_out(&grpc, "Get", &stranger).await, unauthenticated);
    let foreign_function = try_out(&grpc, "Invoke", &Caller::key(&theirs.secret_key)).await;
    assert_eq!(foreign_function, (Code::NotFound, "function_not_found"));
    server.stop().await;
}

/// A server with a socket, and a project.
async fn with_socket(data: &Data, socket: &Path) -> (Server, Client, Project) {
    let server = Server::start_with(data, &["--socket", socket.to_str().unwrap()]).await;
    let ada = server.client().set_up().await;
    let project = ada.project("shop").await;
    (server, ada, project)
}

async fn connected(address: &str, project: &Project) -> FunctionsClient {
    let credential = Credential::key(&project.secret_key).unwrap();
    FunctionsClient::connect(address, credential).await.unwrap()
}

#[tokio::test]
async fn a_function_is_brought_and_called_over_tcp_and_over_the_socket() {
    let (data, directory) = (Data::new(), tempfile::tempdir().unwrap());
    let socket = directory.path().join("bunbase.sock");
    let (server, ada, project) = with_socket(&data, &socket).await;
    let echo = directory.path().join("echo.js");
    std::fs::write(&echo, ECHO).unwrap();
    let unix = format!("unix:{}", socket.display());
    for (name, address) in [("over-tcp", server.url.as_str()), ("over-socket", unix.as_str())] {
        let functions = connected(address, &project).await;
        assert_eq!(functions.register(name).await.unwrap().status, "registered");
        let deployed = functions.deploy(name, Some("v1"), &echo).await.unwrap();
        assert_eq!((deployed.status.as_str(), deployed.version.as_deref()), ("deployed", Some("v1")));
        let request = http::Request::patch("/orders/7?x=1")
            .header("authorization", "Bearer of-the-application")
            .header("x-bunbase-client-key", "sk_somebodys");
        let answer = functions.invoke(name, request.body("hi").unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let seen = json!({
            "method": "PATCH", "at": "/orders/7?x=1", "body": "hi", "key": null,
            "application": "Bearer of-the-application",
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap(), seen);
        assert_eq!(trigger_of(&ada, &project, name).await, "grpc");
    }
    let page = ada.get(&format!("/v1/projects/{}/audit?limit=50", project.id)).await.expect(200);
    let entries = page["entries"].as_array().unwrap();
    for (method, name) in [("Register", "over-tcp"), ("Deploy", "over-socket")] {
        let action = format!("bunbase.functions.v1.Functions/{method}");
        let found = entries
            .iter()
            .find(|entry| entry["action"] == action.as_str() && entry["target"]["name"] == name);
        assert_eq!(found.unwrap()["address"], "127.0.0.1", "{action}");
    }
    server.stop().await;
    assert!(!socket.exists());
}

/// What started the last call of a function, once it is recorded.
async fn trigger_of(ada: &Client, project: &Project, function: &str) -> String {
    let path = format!("/v1/projects/{}/functions/{function}/runs", project.id);
    let recorded = async {
        loop {
            let page = ada.get(&path).await.expect(200);
            if let Some(trigger) = page["runs"][0]["trigger"].as_str() {
                return trigger.to_owned();
            }
        }
    };
    tokio::time::timeout(PATIENCE, recorded).await.expect("the run is recorded")
}

fn typed(url: &str, home: &Path, project: &Project, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bunbase"));
    command.args(["--url", url]).args(arguments).env("HOME", home).env("BUNBASE_KEY", &project.secret_key);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_answers_what_the_port_answers_and_is_a_careful_file() {
    let (data, directory) = (Data::new(), tempfile::tempdir().unwrap());
    let socket = directory.path().join("bunbase.sock");
    let (server, ada, project) = with_socket(&data, &socket).await;
    ada.deploy(&project, "hello", "v1", "export default () => new Response('hi')").await.expect(201);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let http = reqwest::Client::builder().unix_socket(socket.clone()).build().unwrap();
    let get = async |path: &str, key: Option<&str>| {
        let request = http.request(Method::GET, format!("http://localhost{path}"));
        let request = key.map_or_else(
            || request.try_clone().unwrap(),
            |key| request.try_clone().unwrap().header("x-bunbase-client-key", key),
        );
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(get("/health", None).await, 200);
    assert_eq!(get("/v1/functions/hello", Some(&project.public_key)).await, 200);
    // Reaching the socket proves nothing.
    assert_eq!(get("/v1/functions/hello", None).await, 401);
    assert_eq!(get("/v1/project", None).await, 401);

    let unix = format!("unix:{}", socket.display());
    for family in ["functions", "fn"] {
        assert_eq!(typed(&unix, directory.path(), &project, &[family, "invoke", "hello"]), "hi");
    }

    let other = Data::new();
    let refused = |path: PathBuf| {
        let mut command = command(&other.path(), &["--socket", path.to_str().unwrap()]);
        async move {
            let output = command.output().await.unwrap();
            assert!(!output.status.success());
            String::from_utf8(output.stderr).unwrap()
        }
    };
    assert!(refused(socket.clone()).await.contains("is in use by another process"));
    let file = directory.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(refused(file.clone()).await.contains("is there and is no socket"));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    assert!(refused(directory.path().join("no/such.sock")).await.contains("there is no directory"));
    assert_eq!(get("/health", None).await, 200);

    // What a killed server leaves behind is taken over.
    server.kill().await;
    assert!(socket.exists());
    let server = Server::start_with(&data, &["--socket", socket.to_str().unwrap()]).await;
    assert_eq!(get("/health", None).await, 200);
    server.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn limits_and_failures_have_their_codes() {
    let (data, directory) = (Data::new(), tempfile::tempdir().unwrap());
    let settings = directory.path().join("bunbase.toml");
    std::fs::write(&settings, "[functions]\nbody_bytes_max = 1000\ndeployment_bytes_max = 1000\n").unwrap();
    let server = Server::start_with(&data, &["--config", settings.to_str().unwrap()]).await;
    let ada = server.client().set_up().await;
    let project = ada.project("shop").await;
    let caller = Caller::key(&project.secret_key);
    let mut grpc = connect(&server.url).await;
    let mut bring = async |name: &str, chunks: &[&str]| {
        grpc.deploy(caller.ask(futures_util::stream::iter(deployment(name, chunks)))).await
    };
    let failing = bring("failing", &["export default () => {", " throw new Error('secret detail') }"]).await;
    assert_eq!(failing.unwrap_or_else(|status| panic!("{status:?}")).into_inner().status, "deployed");
    let half = "/".repeat(600);
    let large = bring("large", &[&half, &half]).await.err().unwrap();
    assert_eq!(refusal(&large), (Code::ResourceExhausted, "body_too_large"));
    let broken = bring("broken", &["export default ((("]).await.err().unwrap();
    assert_eq!(refusal(&broken), (Code::InvalidArgument, "invalid_bundle"));
    let nothing = grpc.deploy(caller.ask(futures_util::stream::iter(Vec::new()))).await.err().unwrap();
    assert_eq!(refusal(&nothing), (Code::InvalidArgument, "invalid_request"));

    let mut call =
        async |name: &str, body: &[u8]| grpc.invoke(caller.ask(invocation(name, body))).await.err().unwrap();
    assert_eq!(refusal(&call("failing", &[b'x'; 1001]).await), (Code::ResourceExhausted, "body_too_large"));
    assert_eq!(refusal(&call("absent", b"").await), (Code::NotFound, "function_not_found"));
    let thrown = call("failing", b"").await;
    assert_eq!(refusal(&thrown), (Code::Internal, "handler_error"));
    assert!(!thrown.message().contains("secret detail"), "{}", thrown.message());
    assert!(rpc::api_error_of(&thrown).unwrap().details.unwrap()["error_id"].is_string());
    assert!(thrown.metadata().contains_key("x-invocation-id"));
    // More than a message may have is refused before anybody reads it.
    assert_eq!(call("failing", &vec![0; rpc::MESSAGE_BYTES_MAX + 1]).await.code(), Code::OutOfRange);
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_or_late_aborts_the_signal() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("shop").await;
    let source = "export default (req) => new Promise((done) => {
        console.log('began');
        req.signal.addEventListener('abort', () => { console.log('aborted'); done(new Response()); });
    })";
    ada.deploy(&project, "waits", "v1", source).await.expect(201);
    let functions = connected(&server.url, &project).await;
    let lines = functions.logs("waits", LogsQuery { follow: true, ..LogsQuery::default() }).await.unwrap();
    let mut lines = lines.map_ok(|line| line.message);
    let mut next = async || {
        tokio::time::timeout(PATIENCE, lines.try_next()).await.expect("a line in time").unwrap().unwrap()
    };
    let other = functions.clone();
    let call = tokio::spawn(async move { other.invoke("waits", http::Request::new("")).await });
    assert_eq!(next().await, "began");
    call.abort();
    assert_eq!(next().await, "aborted");

    let mut late = Caller::key(&project.secret_key).ask(invocation("waits", b""));
    late.set_timeout(Duration::from_millis(500));
    let status = connect(&server.url).await.invoke(late).await.err().unwrap();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    assert_eq!((next().await, next().await), ("began".to_owned(), "aborted".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn answers_and_logs_are_streams() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("shop").await;
    let source = "export default () => new Response(new ReadableStream({
        pull(to) { to.enqueue(new TextEncoder().encode('more')); return new Promise((done) => setTimeout(done, 5)); },
        cancel() { console.log('cancelled'); },
    }), { status: 201 })";
    ada.deploy(&project, "endless", "v1", source).await.expect(201);
    let functions = connected(&server.url, &project).await;
    let query = LogsQuery { follow: true, ..LogsQuery::default() };
    let mut lines = functions.logs("endless", query.clone()).await.unwrap();

    let caller = Caller::key(&project.public_key);
    let mut grpc = connect(&server.url).await;
    let mut parts =
        grpc.invoke_stream(caller.ask(invocation("endless", b""))).await.ok().unwrap().into_inner();
    let head = parts.next().await.unwrap().ok().unwrap().part.unwrap();
    assert!(matches!(head, Part::Head(head) if head.status == 201));
    for _ in 0..3 {
        let data = parts.next().await.unwrap().ok().unwrap().part.unwrap();
        assert!(matches!(data, Part::Data(bytes) if bytes.starts_with(b"more")));
    }
    drop(parts);
    let line = tokio::time::timeout(PATIENCE, lines.try_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(line.message, "cancelled");
    // Another reader has it from the store, and one that has it already has nothing.
    let again: Vec<_> =
        functions.logs("endless", LogsQuery::default()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(again, std::slice::from_ref(&line));
    let later = LogsQuery { after: Some(line.cursor), ..LogsQuery::default() };
    let later: Vec<_> = functions.logs("endless", later).await.unwrap().try_collect().await.unwrap();
    assert_eq!(later, []);

    ada.delete(&format!("/v1/projects/{}/functions/endless", project.id)).await.expect(204);
    let ended = tokio::time::timeout(PATIENCE, lines.try_next()).await.expect("the stream ends in time");
    assert_eq!(ended.unwrap_err().code(), Some(ErrorCode::FunctionNotFound));
    server.stop().await;
}
