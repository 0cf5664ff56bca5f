//! The Rust of docs/bundoc/grpc.md: the program runs, and the page shows what it has.

// Its `main` is for the command line.
#[allow(dead_code)]
#[path = "../../../rpc/examples/grpc_documents.rs"]
mod program;

use crate::support::World;
use tokio::net::TcpListener;

const PAGE: &str = include_str!("../../../../docs/bundoc/grpc.md");
const PROGRAM: &str = include_str!("../../../rpc/examples/grpc_documents.rs");

#[tokio::test]
async fn the_program_of_the_page_keeps_cities() {
    let world = World::start();
    let project = world.project();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = world.server.grpc(world.access.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let cities = program::cities(url, &format!("sk_{}", project.id)).await.unwrap();
    serving.abort();
    let names: Vec<_> = cities.iter().map(|city| city.get_str("name").unwrap()).collect();
    assert_eq!(names, ["Roma", "Milano"]);
}

#[test]
fn the_page_shows_lines_of_the_program() {
    let (_, shown) = PAGE.split_once("```rust\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let shown: Vec<&str> = shown.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(shown.len() > 10, "{shown:?}");
    let mut lines = PROGRAM
        .lines()
        .map(|line| line.trim().replace("channel.clone(), credentials.clone()", "channel, credentials"));
    for line in shown {
        assert!(lines.any(|known| known == line), "not in the program, or not there: {line}");
    }
}
