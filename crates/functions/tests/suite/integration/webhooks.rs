//! Webhooks: nothing but a valid signature starts a handler, which gets the body as it came, once.

use crate::support::{Answer, Call, Server};
use aws_lc_rs::hmac;
use http::Method;
use serde_json::json;
use service_kit::clock::now_ms;

const SHOP: &str = r#"
    let calls = 0, fail = false;
    const hook = (path, verify) => ({ triggers: [{ kind: "webhook", path, verify }] });
    export const config = { handlers: [
        { name: "raw", ...hook("/raw", { scheme: "hmac_sha256", secret: "hook", header: "X-Signed" }) },
        { name: "paid", ...hook("/stripe", { scheme: "stripe", secret: "STRIPE" }) },
        { name: "api", triggers: [{ kind: "http", path: "/api" }, { kind: "http", path: "/fail" }] },
    ] };
    export const raw = async (req) => new Response(await req.arrayBuffer(), { headers: {
        "x-type": req.headers.get("content-type"), "x-trigger": req.headers.get("x-bunbase-trigger") } });
    export const paid = async (req) => new Response(`${++calls} ${await req.text()}`, { status: fail ? 500 : 200 });
    export const api = (req) => { fail = new URL(req.url).pathname === "/fail"; return Response.json({ calls }); };"#;

fn signature(secret: &str, signed: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed))
}

async fn shop() -> (Server, String) {
    let server = Server::start().await;
    server.deploy("shop", SHOP).await.is(201);
    server
        .manage(Method::PATCH, "/shop", Some(json!({ "access": "secret", "max_workers": 1 })))
        .await
        .is(200);
    let path = format!("/v1/projects/{}/functions/shop/invoke", server.a);
    (server, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_let_in_by_its_signature_alone() {
    let (server, shop) = shop().await;
    let path = format!("{shop}/raw");
    let body = [b"{ \"n\":1.0,\r\n\"x\":\"".as_slice(), &[0, 0xff, 0xfe], b"\" }\n"].concat();
    let sent = |signature: &str| {
        let call = Call::post(&path, &body).header("content-type", "application/JSON; odd");
        call.header("x-signed", signature).header("x-bunbase-trigger", "cron")
    };
    let right = signature("key", &body);
    // Closed without a secret, and with an empty one; the log of the function says what to set.
    server.call(sent(&right)).await.is_error(503, "unavailable");
    let lines = server.manage(Method::GET, "/shop/logs?level=error", None).await.is(200).text().to_owned();
    assert!(lines.contains("bunbase secrets set hook"), "{lines}");
    let variable = "/functions/shop/env/hook";
    let set =
        async |value: &str| server.of_project(Method::PUT, variable, Some(json!({ "value": value }))).await;
    set("").await.is(200);
    server.call(sent(&signature("", &body))).await.is_error(503, "unavailable");
    set("key").await.is(200);

    let answer = server.call(sent(&right)).await;
    assert_eq!(answer.is(200).body, body);
    assert_eq!(answer.headers["x-type"], "application/JSON; odd");
    assert_eq!(answer.headers["x-trigger"], "webhook");
    server.call(sent(&format!("sha256={right}"))).await.is(200);
    // A body that comes as a stream.
    let large = vec![7; 3 << 20];
    let answer = server.call(Call::post(&path, &large).header("x-signed", &signature("key", &large))).await;
    assert_eq!(answer.is(200).body, large);

    let refused = async |call: Call<'_>| server.call(call).await.is_error(401, "invalid_signature");
    refused(sent(&signature("other", &body))).await;
    refused(sent(&right[2..])).await;
    refused(sent("not hex")).await;
    refused(Call::post(&path, &body)).await;
    refused(Call::post(&path, b"{}").header("x-signed", &right)).await;
    // A key does not stand for a signature, nor a signature for a key.
    refused(Call::post(&path, &body).key("sk_a")).await;
    server
        .call(Call::post(&format!("{shop}/api"), &body).header("x-signed", &right))
        .await
        .is_error(401, "unauthenticated");
    server.call(Call::get(&path).key("sk_a")).await.is_error(405, "method_not_allowed");
    let runs = server.manage(Method::GET, "/shop/runs?trigger=webhook", None).await.is(200).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_handled_once_however_often_it_is_sent() {
    let (server, shop) = shop().await;
    let path = format!("{shop}/stripe");
    // A secret of the KMS, where there is no such variable.
    server.keeper.named.lock().unwrap().insert("STRIPE".to_owned(), b"whsec_1".to_vec());
    let send = async |body: &str, age_s: i64| -> Answer {
        let at = now_ms() / 1_000 - age_s;
        let signed = signature("whsec_1", format!("{at}.{body}").as_bytes());
        let header = format!("t={at},v1={signed}");
        server.call(Call::post(&path, body.as_bytes()).header("stripe-signature", &header)).await
    };
    let api = async |tail: &str| server.call(Call::get(&format!("{shop}{tail}")).key("sk_a")).await;
    send(r#"{"id":"evt_0"}"#, 301).await.is_error(401, "invalid_signature");
    api("/fail").await.is(200);
    assert_eq!(send(r#"{"id":"evt_1"}"#, 0).await.is(500).text(), r#"1 {"id":"evt_1"}"#);
    // What failed comes again, what was handled does not: not as it was sent, nor signed anew.
    api("/api").await.is(200);
    assert_eq!(send(r#"{"id":"evt_1"}"#, 0).await.is(200).text(), r#"2 {"id":"evt_1"}"#);
    for age_s in [0, 5] {
        assert_eq!(send(r#"{"id":"evt_1"}"#, age_s).await.is(200).json(), json!({ "duplicate": true }));
    }
    assert_eq!(send(r#"{"id":"evt_2"}"#, 0).await.is(200).text(), r#"3 {"id":"evt_2"}"#);
    assert_eq!(api("/api").await.is(200).json(), json!({ "calls": 3 }));
    server.stop().await;
}
