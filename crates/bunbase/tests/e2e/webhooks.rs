//! A webhook from outside to a handler, with its secret in the KMS.

use crate::server::{Data, Server};
use serde_json::json;

const HOOK: &str = r#"
    export const config = { triggers: [{ kind: "webhook", path: "/hook", verify: { scheme: "github", secret: "hook" } }] };
    export default async (req: Request) => new Response(`${req.headers.get("x-bunbase-trigger")}: ${await req.text()}`);"#;
/// The example of GitHub's documentation.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &str = "Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[tokio::test]
async fn a_sender_without_a_key_is_let_in_by_the_secret_of_the_project() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let (ours, other) = (ada.project("hooks").await, ada.project("other").await);
    ada.with_key(&ours.secret_key).put("/v1/kms/secrets/hook", json!({ "value": SECRET })).await.expect(200);
    for project in [&ours, &other] {
        ada.deploy(project, "f", "v1", HOOK).await.expect(201);
    }
    let send = async |project: &str, body: &'static str, signature: &str| {
        let path = format!("/v1/projects/{project}/functions/f/invoke/hook");
        let request = server.client().request(reqwest::Method::POST, &path).body(body);
        server.client().send(request.header("x-hub-signature-256", signature)).await
    };
    assert_eq!(send(&ours.id, BODY, SIGNATURE).await.expect(200), format!("webhook: {BODY}"));
    send(&ours.id, "Hello, world!", SIGNATURE).await.expect_error(401, "invalid_signature");
    // The secret is that of one project.
    send(&other.id, BODY, SIGNATURE).await.expect_error(503, "unavailable");
    server.stop().await;
}
