//! What a change costs where very many subscribe: `cargo run --release --example live_fan_out [SUBSCRIBERS]`.
//! One process, no sockets: from the answer to a write until every stream has what it gets of it.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]
#![expect(dead_code, reason = "of the tests' support only a part is needed")]

#[path = "../tests/http/stream.rs"]
mod stream;
#[path = "../tests/http/support.rs"]
mod support;

use bundoc_server::DocumentsConfig;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service_kit::ids::EndUserId;
use std::time::{Duration, Instant};
use stream::Stream;
use support::{Project, World};

/// Changes in one commit.
const CHANGES: usize = 500;

/// One kind of subscribers.
struct Scene {
    name: &'static str,
    rules: Value,
    /// The query of one subscriber; with rules it is asked by the end user.
    query: fn(usize) -> Value,
    /// How many of the changes one subscriber gets.
    each: usize,
}

fn scenes(subscribers: usize) -> [Scene; 4] {
    let share = CHANGES / subscribers.min(CHANGES);
    [
        Scene { name: "one query", rules: json!({}), query: |_| json!({}), each: CHANGES },
        Scene {
            name: "a value each",
            rules: json!({}),
            query: |n| json!({ "query": { "room": n } }),
            each: share,
        },
        Scene {
            name: "a range each",
            rules: json!({}),
            query: |n| json!({ "query": { "room": { "$gte": n, "$lte": n } } }),
            each: share,
        },
        Scene {
            name: "own documents, by a rule",
            rules: json!({ "list": "resource.data.owner == request.auth.uid" }),
            query: |_| json!({}),
            each: share,
        },
    ]
}

#[tokio::main]
async fn main() {
    let subscribers: usize = std::env::args().nth(1).map_or(1_000, |text| text.parse().unwrap());
    println!("{subscribers} subscribers, {CHANGES} changes in one commit");
    for scene in scenes(subscribers) {
        measure(&scene, subscribers).await;
    }
}

async fn measure(scene: &Scene, subscribers: usize) {
    let config = DocumentsConfig {
        live_queries_per_project_max: subscribers,
        subscription_events_max: CHANGES * 2,
        subscription_bytes_max: 16 * 1024 * 1024,
        ..DocumentsConfig::default()
    };
    let world = World::with(config);
    let project = world.project();
    project.open("notes", scene.rules.clone()).await;
    let users: Vec<_> = (0..subscribers).map(|_| EndUserId::generate()).collect();
    let mut streams = Vec::with_capacity(subscribers);
    for (n, user) in users.iter().enumerate() {
        let ruled = scene.rules.as_object().is_some_and(|rules| !rules.is_empty());
        let mut stream = open(&project, user, (scene.query)(n), ruled).await;
        assert_eq!(stream.short(2).await, ["connected", "ready"]);
        streams.push(stream);
    }
    let documents = |round: usize| {
        let users = &users;
        (0..CHANGES).map(move |n| {
            let reader = n % users.len();
            json!({ "_id": format!("{round}-{n}"), "room": reader, "owner": users[reader].as_str() })
        })
    };
    let mut best = Duration::MAX;
    for round in 0..5 {
        project.put("notes", documents(round)).await;
        let begun = Instant::now();
        let mut events = 0;
        for (n, stream) in streams.iter_mut().enumerate() {
            let wanted = if scene.each == CHANGES || n < CHANGES { scene.each } else { 0 };
            for _ in 0..wanted {
                stream.body().frame().await.unwrap().unwrap();
            }
            events += wanted;
        }
        let took = begun.elapsed();
        if took < best {
            best = took;
            let each = took.as_secs_f64() * 1e6 / CHANGES as f64;
            println!("{:>26}: {took:?} for {events} events, {each:.1} µs a change", scene.name);
        }
    }
}

async fn open(project: &Project<'_>, user: &EndUserId, query: Value, ruled: bool) -> Stream {
    let path = "/collections/notes/documents/query/subscribe";
    let call = if ruled {
        project.public(Method::POST, path).header("authorization", &format!("Bearer {user} {{}}"))
    } else {
        project.secret(Method::POST, path)
    };
    call.stream_with(query.to_string()).await
}
