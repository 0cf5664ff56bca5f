//! Keys of every kind.

use crate::support::World;
use http::{Method, StatusCode};
use std::fmt::Write as _;

fn encoded(key: &str) -> String {
    key.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[tokio::test]
async fn any_printable_text_is_a_key() {
    let world = World::start().await;
    let project = world.project();
    let long = "ä".repeat(512);
    let keys = [
        "..",
        "../../etc/passwd",
        "a/../b",
        ".",
        "keys",
        "kv",
        "a:b c",
        "%",
        "%2e",
        "/a//b/",
        "ключ/🔑",
        &long,
    ];
    for key in keys {
        let put = project.put(&encoded(key), key).await;
        assert_eq!(put.status, StatusCode::CREATED, "{key}: {put:?}");
    }
    for key in keys {
        assert_eq!(project.get(&encoded(key)).await.text(), key);
    }
    let listed = project.secret(Method::GET, "/kv/keys?limit=1000").send().await.keys();
    let mut sorted = keys.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(listed, sorted);
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let world = World::start().await;
    let project = world.project();
    for key in ["a\0b", "a\nb", "\u{7f}", &"x".repeat(1025), &"x".repeat(10 * 1024)] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = project.secret(method, &format!("/kv/kv/{}", encoded(key))).body("1").await;
            assert_eq!(answer.refusal(), (400, "invalid_name".to_owned()), "{key}");
        }
    }
    let no_text = project.secret(Method::GET, "/kv/kv/%ff").send().await;
    assert_eq!(no_text.refusal(), (400, "invalid_request".to_owned()));
}
