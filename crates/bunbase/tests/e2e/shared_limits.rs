//! Two servers of one application that count their rate limits together, in a key-value store of its own process.

use crate::application::application;
use crate::commands::bun;
use crate::dev::{Dev, save};
use crate::server::{Data, Server, free_address};
use std::path::Path;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const LIMITED: &str = r#"
    import { action, guards, module, t, triggers } from "bunbase";

    const limited = (name: string, limit: number) => action({
        name, input: t.Object({}), output: t.Object({ ok: t.Boolean() }),
        guards: [guards.rateLimit({ limit, windowMs: 3_600_000 })], triggers: [triggers.api("GET", `/${name}`)],
    }, async () => ({ ok: true }));

    export default module({ name: "limited", apiPrefix: "/api", actions: [limited("three", 3), limited("one", 1)] });
"#;

async fn start(root: &Path, store: &str) -> Dev {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bunbase"));
    command
        .args(["start", "--json", "--listen", "127.0.0.1:0"])
        .arg(root)
        .env("BUNBASE_BUN_PATH", bun())
        .env("BUNBASE_RPC__SECRET", SECRET)
        .env("BUNBASE_RPC__ADDRESSES__BUNDER_MANAGER", store);
    let mut server = Dev::run(command).await;
    server.of("live", "notes").await;
    server
}

async fn asked(server: &Dev, name: &str) -> (u16, String) {
    let answer = server.http.get(format!("{}/api/{name}", server.url)).send().await.unwrap();
    let left =
        answer.headers().get("ratelimit-remaining").map_or("", |left| left.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), left)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_of_an_application_share_its_limits_and_go_on_alone_without_the_store() {
    let (one, two) = (application(), application());
    let secrets = std::fs::read_to_string(one.path().join("notes/.env")).unwrap();
    let address = free_address();
    let mut servers = Vec::new();
    for directory in [&one, &two] {
        let root = directory.path().join("notes");
        save(&root, ".env", &secrets);
        save(&root, "src/limited/_module.ts", LIMITED);
        servers.push(start(&root, &address).await);
    }
    let data = Data::new();
    let settings = data.path().join("bunbase.toml");
    let platform = servers[0].url.trim_start_matches("http://");
    std::fs::create_dir_all(data.path()).unwrap();
    let text = format!("[rpc]\nsecret = \"{SECRET}\"\n[rpc.addresses]\nplatform = \"{platform}\"\n");
    std::fs::write(&settings, text).unwrap();
    let settings = settings.display().to_string();
    let of_store = ["--services", "bunder-manager", "--listen", &address, "--config", &settings];
    let store = Server::start_with(&data, &of_store).await;

    let mut told = Vec::new();
    for at in [0, 1, 0, 1, 0] {
        told.push(asked(&servers[at], "three").await);
    }
    let expected = [(200, "2"), (200, "1"), (200, "0"), (429, "0"), (429, "0")];
    assert_eq!(told, expected.map(|(status, left)| (status, left.to_owned())));

    store.kill().await;
    for server in &servers {
        assert_eq!(asked(server, "one").await.0, 200, "each counts for itself");
        assert_eq!(asked(server, "one").await.0, 429);
        let metrics =
            server.http.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("bunbase_rate_limits_counted_alone_total"), "{metrics}");
    }
    for server in servers {
        assert!(server.stop().await.success());
    }
}
