//! Names of every kind.

use crate::support::World;
use http::{Method, StatusCode};
use std::fmt::Write as _;

fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

#[tokio::test]
async fn any_printable_text_is_a_name_and_none_is_a_path_on_the_disk() {
    let world = World::start().await;
    let project = world.project();
    let long = "ä".repeat(512);
    let names = [
        "..",
        "../../../etc/passwd",
        "a/../b",
        ".",
        "a:b c",
        "%2e%2e",
        "/a//b/",
        "ключ/🔑.png",
        "tmp",
        &long,
    ];
    for name in names {
        let put = project.put(&encoded(name), name).await;
        assert_eq!(put.status, StatusCode::CREATED, "{name}: {put:?}");
    }
    for name in names {
        assert_eq!(project.get(&encoded(name)).await.text(), name);
    }
    let files = world.files();
    assert_eq!(files.len(), names.len());
    for file in files {
        let file_name = file.file_name().unwrap().to_str().unwrap();
        assert!(
            file_name.len() == 32 && file_name.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{file_name}"
        );
    }
    let mut sorted = names.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(project.secret(Method::GET, "/storage").send().await.names(), sorted);
}

#[tokio::test]
async fn what_is_no_name_is_refused() {
    let world = World::start().await;
    let project = world.project();
    for name in ["a\0b", "a\nb", "\u{7f}", &"x".repeat(1025), &"x".repeat(10 * 1024)] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = project.secret(method, &format!("/storage/{}", encoded(name))).body("1").await;
            assert_eq!(answer.refusal(), (400, "invalid_name".to_owned()), "{name}");
        }
    }
    let no_text = project.secret(Method::GET, "/storage/%ff").send().await;
    assert_eq!(no_text.refusal(), (400, "invalid_request".to_owned()));
    let long_type = project.secret(Method::PUT, "/storage/a").header("content-type", &"x".repeat(256));
    assert_eq!(long_type.body("1").await.refusal(), (400, "invalid_request".to_owned()));
    assert!(world.files().is_empty());
}
