//! The audit log: what is in it, that it is there before an answer, and what happens when it cannot be
//! written, was changed, or is cut.

use crate::support::{By, Project, Server, config, start_in};
use bun_kms::{AuditError, KmsError};
use http::StatusCode;
use serde_json::{Value, json};
use std::io::Write as _;

#[tokio::test]
async fn every_operation_has_a_line_and_no_line_has_a_value() {
    let server = Server::start().await;
    let project = server.project();
    project.write("a", "the value").await;
    project.get("/secrets/a").await;
    project.get("/secrets/missing").await;
    project.get("/secrets/a%20b").await;
    project.get("/secrets").await;
    project.key("k", "aes-256-gcm").await;
    let ciphertext = project.encrypt("k", "the plaintext", "the aad").await;
    project.decrypt("k", &ciphertext, "the aad").await;
    project.decrypt("k", &ciphertext, "wrong").await;
    project.delete("/keys/k").await;
    let lines = server.audit_lines();
    let short: Vec<_> = lines[1..]
        .iter()
        .map(|line| {
            assert_eq!(
                (&line["project"], &line["caller"]["kind"]),
                (&json!(project.id), &json!("secret_key"))
            );
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let resource = &line["resource"];
            let version = &resource["version"];
            format!(
                "{} {} {version} {}",
                text(&line["operation"]),
                text(&resource["name"]),
                text(&line["outcome"])
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            "secret.write a 1 ok",
            "secret.read a 1 ok",
            "secret.read missing null secret_not_found",
            "secret.read - null invalid_name",
            "secret.list - null ok",
            "key.create k 1 ok",
            "encrypt k 1 ok",
            "decrypt k 1 ok",
            "decrypt k null decryption_failed",
            "key.delete k null ok",
        ]
    );
    let text = std::fs::read_to_string(server.audit_path()).unwrap();
    for secret in ["the value", "the plaintext", "the aad", ciphertext.as_str()] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(lines[0]["reason"], "began");
    assert_eq!(server.service.verify_audit().await.unwrap().lines, lines.len() as u64);
}

#[tokio::test]
async fn a_project_reads_its_own_lines_newest_first() {
    let server = Server::start_with(config(json!({ "audit_file_bytes_max": 2_000 }))).await;
    let (project, other) = (server.project(), server.project());
    for n in 1..=10 {
        assert_eq!(project.write("a", "v").await, n);
        other.write("b", "v").await;
    }
    let path = format!("/v1/projects/{}/kms/audit", project.id);
    let read = |query: String| {
        let (server, path, id) = (&server, format!("{path}{query}"), &project.id);
        async move { server.send(By::Member("admin", id), "GET", &path, None).await }
    };
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(format!("?limit=3{cursor}")).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let entries = page.body["entries"].as_array().unwrap();
        assert!(entries.len() <= 3);
        seen.extend(entries.iter().filter(|entry| entry["operation"] == "secret.write").cloned());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let versions: Vec<_> = seen.iter().map(|entry| entry["resource"]["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(seen.iter().all(|entry| entry["resource"]["name"] == "a"));
    assert_eq!(read("?cursor=nonsense".into()).await.refusal(), (400, "invalid_request"));
    let foreign = format!("/v1/projects/{}/kms/audit?limit=1{cursor}", other.id);
    let foreign = server.send(By::Member("admin", &other.id), "GET", &foreign, None).await;
    assert_eq!(foreign.refusal(), (400, "invalid_request"));
}

#[tokio::test]
async fn the_chain_goes_on_through_full_files_and_restarts() {
    let settings = json!({ "audit_file_bytes_max": 2_000 });
    let server = Server::start_with(config(settings.clone())).await;
    let project = server.project();
    for _ in 0..30 {
        project.write("a", "v").await;
    }
    let id = project.id.clone();
    let before = server.service.verify_audit().await.unwrap();
    assert!(before.files > 3);
    let server = server.restart(config(settings)).await;
    let project = Project { id, ..server.project() };
    project.write("a", "v").await;
    let after = server.service.verify_audit().await.unwrap();
    assert_eq!(after.lines - before.lines, 1 + u64::from(after.files - before.files));
    let full = server.path("kms-audit.000002.jsonl");
    let text = std::fs::read_to_string(&full).unwrap();
    std::fs::write(&full, text.replacen("\"ok\"", "\"no\"", 1)).unwrap();
    let error = server.service.verify_audit().await.unwrap_err();
    assert!(matches!(&error, AuditError::Broken { path, line: 2, .. } if *path == full), "{error}");
    std::fs::remove_file(&full).unwrap();
    let error = server.service.verify_audit().await.unwrap_err();
    assert!(matches!(&error, AuditError::FileMissing { path } if *path == full), "{error}");
    std::fs::remove_file(server.path("kms-audit.000001.jsonl")).unwrap();
    assert_eq!(server.service.verify_audit().await.unwrap().files, after.files - 2);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_reported() {
    let server = Server::start().await;
    let project = server.project();
    project.write("a", "v").await;
    let directory = server.stop().await;
    let path = directory.path().join("kms-audit.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"seq\":3,\"time\":\"2026").unwrap();
    let (_database, started) = start_in(directory.path(), config(json!({}))).await;
    let service = started.unwrap();
    assert_eq!(service.verify_audit().await.unwrap().lines, 3);
    let text = std::fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["reason"], &last["cut_bytes"]), (&json!("torn_line_cut"), &json!(21)));
}

#[tokio::test]
async fn a_changed_log_is_refused_at_start_with_line_and_way_out() {
    let server = Server::start().await;
    let project = server.project();
    for _ in 0..5 {
        project.write("a", "v").await;
    }
    let directory = server.stop().await;
    let path = directory.path().join("kms-audit.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let swapped = [&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat().concat();
    for (text, line) in [
        (whole.replacen("secret.write", "secret.wrote", 1), 2),
        (without(3), 4),
        (swapped, 3),
        (format!("{}garbage\n", whole), 7),
        (whole[10..].to_owned(), 1),
        (String::new(), 1),
    ] {
        std::fs::write(&path, text).unwrap();
        let (database, started) = start_in(directory.path(), config(json!({}))).await;
        database.close().await;
        let error = started.err().unwrap();
        let KmsError::Audit(AuditError::Broken { line: found, .. }) = &error else { panic!("{error}") };
        assert_eq!(*found, line);
        assert!(error.to_string().contains("move every kms-audit*.jsonl away"));
    }
    std::fs::write(&path, lines[..4].concat()).unwrap();
    let (database, started) = start_in(directory.path(), config(json!({}))).await;
    database.close().await;
    let error = started.err().unwrap();
    assert!(matches!(error, KmsError::Audit(AuditError::CutBack { seq: 6, .. })), "{error}");
    std::fs::rename(&path, directory.path().join("kept")).unwrap();
    let (_database, started) = start_in(directory.path(), config(json!({}))).await;
    assert_eq!(started.unwrap().verify_audit().await.unwrap().lines, 1);
    let first: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((&first["reason"], &first["seq"]), (&json!("previous_missing"), &json!(7)));
    let last: Value = serde_json::from_str(lines[5]).unwrap();
    assert_eq!(first["prev"], last["hash"]);
}

#[tokio::test]
async fn without_its_log_nothing_is_given_out_and_nothing_is_changed() {
    let server = Server::start().await;
    let project = server.project();
    project.key("k", "aes-256-gcm").await;
    project.write("a", "value").await;
    let ciphertext = project.encrypt("k", "text", "").await;
    let (path, aside) = (server.audit_path(), server.path("aside"));
    std::fs::rename(&path, &aside).unwrap();
    let unavailable = (503, "unavailable");
    for in_the_way in [false, true] {
        if in_the_way {
            std::fs::create_dir(&path).unwrap();
        }
        assert_eq!(project.decrypt("k", &ciphertext, "").await.refusal(), unavailable);
        assert_eq!(project.get("/secrets/a").await.refusal(), unavailable);
        assert_eq!(project.get("/secrets").await.refusal(), unavailable);
        assert_eq!(project.put("/secrets/a", json!({ "value": "b" })).await.refusal(), unavailable);
        assert_eq!(project.delete("/keys/k").await.refusal(), unavailable);
        let seal = server.service.secrets().seal(&project.id, "p", b"text").await;
        assert!(matches!(seal, Err(::ports::secrets::SecretsError::Unavailable(_))));
        assert!(server.service.ready().is_err());
    }
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(project.get("/secrets/a").await.body["version"], 1);
    assert_eq!(project.decrypt("k", &ciphertext, "").await.text("plaintext"), "text");
    assert!(server.service.ready().is_ok());
    server.service.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_log_that_somebody_else_writes_to_or_cuts_closes_the_service() {
    let server = Server::start().await;
    let project = server.project();
    project.write("a", "value").await;
    let whole = std::fs::read(server.audit_path()).unwrap();
    std::fs::write(server.audit_path(), &whole[..whole.len() - 20]).unwrap();
    assert_eq!(project.get("/secrets/a").await.refusal(), (503, "unavailable"));
    std::fs::write(server.audit_path(), [&whole[..], b"x"].concat()).unwrap();
    assert_eq!(project.get("/secrets/a").await.refusal(), (503, "unavailable"));
    std::fs::write(server.audit_path(), &whole).unwrap();
    assert_eq!(project.get("/secrets/a").await.text("value"), "value");
}

#[tokio::test]
async fn what_is_in_the_way_of_the_next_file_closes_the_service() {
    let server = Server::start_with(config(json!({ "audit_file_bytes_max": 400 }))).await;
    let project = server.project();
    std::fs::create_dir(server.path("kms-audit.000001.jsonl")).unwrap();
    project.write("a", "value").await;
    assert_eq!(project.get("/secrets/a").await.refusal(), (503, "unavailable"));
    std::fs::remove_dir(server.path("kms-audit.000001.jsonl")).unwrap();
    assert_eq!(project.get("/secrets/a").await.text("value"), "value");
    assert_eq!(server.service.verify_audit().await.unwrap().files, 2);
}

#[tokio::test]
async fn a_full_disk_closes_the_service_until_there_is_room() {
    let server = Server::start_with(config(json!({ "audit_file_bytes_max": 400 }))).await;
    let project = server.project();
    project.write("a", "value").await;
    let next = server.path("kms-audit.new");
    std::os::unix::fs::symlink("/dev/full", &next).unwrap();
    let full = project.get("/secrets/a").await;
    assert_eq!(full.refusal(), (503, "unavailable"));
    assert!(!full.body.to_string().contains("value"));
    assert_eq!(project.put("/secrets/a", json!({ "value": "b" })).await.refusal(), (503, "unavailable"));
    std::fs::remove_file(&next).unwrap();
    assert_eq!(project.get("/secrets/a").await.text("value"), "value");
    assert_eq!(server.service.verify_audit().await.unwrap().files, 2);
}

#[tokio::test]
async fn a_directory_in_the_way_at_start_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("kms-audit.jsonl")).unwrap();
    let (_database, started) = start_in(directory.path(), config(json!({}))).await;
    let error = started.err().unwrap();
    assert!(matches!(error, KmsError::Audit(AuditError::Io { .. })), "{error}");
}

#[tokio::test]
async fn a_start_after_a_cut_off_change_of_files_goes_on() {
    let server = Server::start().await;
    let project = server.project();
    project.write("a", "value").await;
    let directory = server.stop().await;
    let full = directory.path().join("kms-audit.000001.jsonl");
    std::fs::rename(directory.path().join("kms-audit.jsonl"), full).unwrap();
    std::fs::write(directory.path().join("kms-audit.new"), b"{\"seq\"").unwrap();
    let (_database, started) = start_in(directory.path(), config(json!({}))).await;
    let report = started.unwrap().verify_audit().await.unwrap();
    assert_eq!((report.files, report.lines), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_operations_share_a_sync_and_each_has_its_line() {
    let server = Server::start().await;
    let project = server.project();
    let secrets = server.service.secrets();
    let seals: Vec<_> = (0..500)
        .map(|n: u32| {
            let (secrets, project) = (secrets.clone(), project.id.clone());
            tokio::spawn(async move { secrets.seal(&project, &n.to_string(), b"x").await.is_ok() })
        })
        .collect();
    for seal in seals {
        assert!(seal.await.unwrap());
    }
    assert_eq!(server.service.verify_audit().await.unwrap().lines, 501);
    let purposes: std::collections::HashSet<_> =
        server.audit_lines()[1..].iter().map(|line| line["resource"]["name"].to_string()).collect();
    assert_eq!(purposes.len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_beyond_the_queue_are_refused() {
    let server = Server::start_with(config(json!({ "audit_queue_max": 1 }))).await;
    let project = server.project();
    project.write("a", "value").await;
    let secrets = server.service.secrets();
    let before = server.service.verify_audit().await.unwrap().lines;
    let gets: Vec<_> = (0..200)
        .map(|_| {
            let (secrets, project) = (secrets.clone(), project.id.clone());
            tokio::spawn(async move { secrets.get(&project, "a").await.is_ok() })
        })
        .collect();
    let mut given = 0;
    for get in gets {
        given += u64::from(get.await.unwrap());
    }
    assert_eq!(server.service.verify_audit().await.unwrap().lines - before, given);
    assert!(given > 0);
}
