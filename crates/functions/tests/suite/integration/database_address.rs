//! Where the PostgreSQL of an application may be: the server itself connects there.

use crate::support::{Server, config};

/// An application whose tables are at `url`, with more in its manifest.
fn application(url: &str, more: &str) -> String {
    format!(
        r#"export const config = {{
            handlers: [{{ name: "a", export: "a", triggers: [{{ kind: "http", methods: ["GET"], path: "/a" }}] }}],
            application: {{ database_url: "{url}" }}, {more}
        }};
        export const handlers = {{ a: () => new Response("a") }};"#
    )
}

#[tokio::test]
async fn the_database_of_a_project_is_none_of_the_servers_own_network() {
    let server = Server::start().await;
    let refusals = [
        ("postgres://me:s3cret@127.0.0.1:1/x", "", "`functions.private_hosts`"),
        ("postgres://me:s3cret@localhost:1/x", "", "`functions.private_hosts`"),
        ("postgres://me:s3cret@169.254.169.254:80/x", "", "`functions.private_hosts`"),
        ("postgres://me:s3cret@1.1.1.1/x?sslkey=/etc/key", "", "`sslkey`"),
        ("postgres:///x?host=/var/run/postgresql", "", "no socket"),
        ("postgres://me:s3cret@1.1.1.1/x", "allowed_hosts: ['db.example.com:5432']", "`allowed_hosts`"),
    ];
    for (url, more, why) in refusals {
        let answer = server.deploy("shop", &application(url, more)).await;
        answer.is_error(400, "migration_failed");
        assert!(answer.text().contains(why) && !answer.text().contains("s3cret"), "{url}: {}", answer.text());
    }
    server.stop().await;

    // Nobody is there: but it was asked.
    let mut open = config();
    open.private_hosts = vec!["127.0.0.1".to_owned()];
    let server = Server::start_with(open).await;
    let answer = server.deploy("shop", &application("postgres://me:s3cret@127.0.0.1:1/x", "")).await;
    answer.is_error(503, "unavailable");
    server.stop().await;

    let mut alone = config();
    alone.is_one_application = true;
    let server = Server::start_with(alone).await;
    server
        .deploy("shop", &application("postgres://me:s3cret@localhost:1/x", ""))
        .await
        .is_error(503, "unavailable");
    server.stop().await;
}
