//! The client configuration: one shape in both forms, with the paths of this server.

use crate::support::{By, PUBLIC_URL, Server};
use serde_json::{Value, json};

/// Every text in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn the_configuration_is_the_same_in_both_forms_and_names_its_project_only() {
    let server = Server::start().await;
    let project = server.project("Cities").await;
    let path = format!("{}/config", project.path);
    let seen = server.get(By::Developer("ada"), &path).await.body;
    let with_key = server.get(By::Key(&project.secret_key), "/v1/project").await.body;
    assert_eq!(seen["config"], with_key["config"]);
    assert_eq!((&seen["project"]["role"], &with_key["project"]["role"]), (&json!("owner"), &Value::Null));
    let config = &seen["config"];
    assert_eq!(config["gateway_url"], PUBLIC_URL);
    assert_eq!((&config["project_id"], &config["project_slug"]), (&json!(project.id()), &json!("cities")));
    for (path, wanted) in [
        (&config["kv"]["path"], "kv/kv/{key}"),
        (&config["bundoc"]["documents_path"], "database/collections/{collection}/documents"),
        (&config["storage"]["path"], "storage"),
        (&config["buncast"]["path"], "events"),
        (&config["functions"]["public_invoke_path"], "functions/{name}/invoke"),
    ] {
        assert_eq!(path, &format!("{}/{wanted}", project.path));
    }
    assert_eq!(config["functions"]["invoke_path"], "/v1/functions/{name}");
    assert_eq!(config["buncast"]["topic_prefix"], "");
    let shown = texts(&seen);
    assert!(shown.iter().all(|text| !text.contains("sk_") && !text.contains("pk_")));
}
