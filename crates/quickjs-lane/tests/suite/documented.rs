//! The examples of `docs/functions/quickjs.md` run as they stand there.

use worker_pool::RequestBody;

use crate::support::{Bench, call, get_text, post, text};

const PAGE: &str = include_str!("../../../../docs/functions/quickjs.md");

/// The code block of the page that begins with `// name`.
fn example(name: &str) -> &'static str {
    let marker = format!("```js\n// {name}\n");
    let start = PAGE.find(&marker).unwrap_or_else(|| panic!("the page has no example {name}")) + 6;
    let length = PAGE[start..].find("```").unwrap();
    &PAGE[start..start + length]
}

#[tokio::test]
async fn the_greeting_greets() {
    let bench = Bench::start();
    let version = bench.load("greeting", example("greeting.js")).await;
    assert_eq!(get_text(&version, "/?name=Ada").await, r#"{"message":"Hello, Ada!"}"#);
}

#[tokio::test]
async fn the_signed_hook_takes_only_what_is_signed() {
    let bench = Bench::start();
    let version = bench
        .load_with("hook", example("signed-hook.js"), |spec| {
            spec.version.env = vec![("HOOK_SECRET".to_owned(), "secret".to_owned())];
        })
        .await;
    let sent = |signature: &'static str| {
        let mut request = post("/", RequestBody::Full("payload".into()));
        request.headers.insert("x-signature", http::HeaderValue::from_static(signature));
        request
    };
    // echo -n payload | openssl dgst -sha256 -hmac secret
    let right = "b82fcb791acec57859b989b430a826488ce2e479fdf92326bd0a2e8375a42ba4";
    assert_eq!(text(call(&version, sent(right)).await.unwrap()).await, "taken");
    let wrong = call(&version, sent("00ff")).await.unwrap();
    assert_eq!(wrong.status, 401);
}

#[tokio::test]
async fn the_cache_keeps_what_it_was_told_between_calls() {
    let bench = Bench::start();
    let version = bench.load("cache", example("cache.js")).await;
    assert_eq!(get_text(&version, "/").await, "1 call of the server");
    assert_eq!(get_text(&version, "/").await, "1 call of the server");
}
