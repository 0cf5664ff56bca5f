//! The conformance suite of `Request` and `Response`: the same handlers, with applications of Hono, Elysia and tRPC
//! among them, in a function and in `Bun.serve`, give the same answers (`packages/worker/conformance`).

use crate::server::{Data, Server, repository};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_as_bun_serve_does() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let project = server.client().set_up().await.project("conformance").await;
    let root = repository();
    let run = Command::new(root.join("tools/bun"))
        .args(["test", "./packages/worker/conformance/conformance.ts"])
        .current_dir(&root)
        .env("CONFORMANCE_URL", &server.url)
        .env("CONFORMANCE_PROJECT", &project.id)
        .env("CONFORMANCE_KEY", &project.secret_key)
        .kill_on_drop(true)
        .output();
    let done = run.await.unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    // Nothing was left out.
    assert!(said.contains(" 0 fail"), "{said}");
    server.stop().await;
}
