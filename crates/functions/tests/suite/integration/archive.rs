//! Uploads of whole directories.

use crate::support::{Answer, Server, config};
use flate2::Compression;
use flate2::write::GzEncoder;
use functions::FunctionsConfig;
use http::Method;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;

const BOUNDARY: &str = "a-boundary-of-parts";

/// A tar.gz of files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn form(fields: &[(&str, &str)], archive: Option<&[u8]>) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    if let Some(archive) = archive {
        let head = "content-disposition: form-data; name=\"archive\"; filename=\"f.tgz\"\r\ncontent-type: application/gzip";
        body.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
        body.extend(archive);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

pub(crate) async fn deploy(server: &Server, fields: &[(&str, &str)], archive: &[u8]) -> Answer {
    let (kind, body) = form(fields, Some(archive));
    let path = format!("/v1/projects/{}/functions", server.a);
    server.send("sk_a", (Method::POST, &path), Some((&kind, body))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_bundled_from_its_entry_with_what_it_brings() {
    let server = Server::start().await;
    let files = [
        ("package.json", r#"{ "main": "lib/start.ts" }"#),
        (
            "lib/start.ts",
            "import { bunbase } from 'bunbase-js/function'; import { name } from './name'; import left from 'left'; import text from '../words.txt' with { type: 'text' }; export default () => new Response([name, left, text, typeof bunbase].join(' '))",
        ),
        ("lib/name.ts", "export const name: string = 'here'"),
        ("words.txt", "words"),
        ("node_modules/left/package.json", r#"{ "name": "left", "main": "i.js" }"#),
        ("node_modules/left/i.js", "export default 'left'"),
    ];
    let packed = archive(&files);
    let first = deploy(&server, &[("name", "f"), ("settings", r#"{ "access": "key" }"#)], &packed)
        .await
        .is(201)
        .json();
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "here left words object");
    // The same files in another order are the same version.
    let mut reversed = files;
    reversed.reverse();
    let again = deploy(&server, &[("name", "f")], &archive(&reversed)).await.is(200).json();
    assert_eq!(first["version"], again["version"]);
    let checksum = hex::encode(Sha256::digest(&packed));
    let fields = [
        ("version", "v2"),
        ("entry", "lib/start.ts"),
        ("checksum", checksum.as_str()),
        ("handler", "default"),
    ];
    let (kind, body) = form(&fields, Some(&packed));
    let path = format!("/v1/projects/{}/functions/f/versions", server.a);
    let built = server.send("sk_a", (Method::POST, &path), Some((&kind, body))).await.is(201).json();
    assert_eq!((&built["form"], &built["version"]), (&"archive".into(), &"v2".into()));
    let named = archive(
        &files.map(|(path, content)| (Box::leak(format!("shop/{path}").into_boxed_str()) as &str, content)),
    );
    deploy(&server, &[("name", "g")], &named).await.is(201);
    server.stop().await;
    let builds = server.bundles_directory().with_file_name("builds");
    assert_eq!(std::fs::read_dir(builds).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_that_cannot_be_deployed_are_told_why_and_leave_nothing() {
    let server = Server::start().await;
    let good = "export default () => new Response('ok')";
    let cases: [(&str, Vec<u8>, &str, &str); 9] = [
        ("no archive", b"nothing".to_vec(), "invalid_archive", "tar.gz"),
        ("no entry", archive(&[("readme.md", "")]), "invalid_archive", "src/index.ts"),
        (
            "a bad package.json",
            archive(&[("package.json", "{"), ("index.ts", good)]),
            "invalid_archive",
            "package.json",
        ),
        (
            "an absolute import",
            archive(&[(
                "index.ts",
                "import t from '/etc/hostname' with { type: 'text' }; export default () => new Response(t)",
            )]),
            "invalid_bundle",
            "/etc/hostname",
        ),
        (
            "an import that leads out",
            archive(&[(
                "index.ts",
                "import t from '../../../metadata.db' with { type: 'text' }; export default () => new Response(t)",
            )]),
            "invalid_bundle",
            "metadata.db",
        ),
        (
            "a macro",
            archive(&[
                ("m.ts", "export const m = () => 'ran'"),
                (
                    "index.ts",
                    "import { m } from './m' with { type: 'macro' }; export default () => new Response(m())",
                ),
            ]),
            "invalid_bundle",
            "Macros are disabled",
        ),
        (
            "a missing package",
            archive(&[("index.ts", "import x from 'left-pad'; export default () => x")]),
            "invalid_bundle",
            "left-pad",
        ),
        (
            "a package of this server",
            archive(&[
                ("index.ts", good),
                ("package.json", "{}"),
                ("bun.lock", r#"{ "packages": { "a": ["a@file:/etc", {}] } }"#),
            ]),
            "invalid_archive",
            "outside",
        ),
        ("no handler", archive(&[("index.ts", "export const nothing = 1")]), "invalid_bundle", "handler"),
    ];
    for (what, packed, code, said) in cases {
        let refused = deploy(&server, &[("name", "f")], &packed).await;
        refused.is_error(400, code);
        assert!(refused.text().contains(said), "{what}: {refused:?}");
    }
    let packed = archive(&[("index.ts", good)]);
    for fields in [
        &[("name", "f"), ("surprise", "1")][..],
        &[("name", "f"), ("settings", "{")],
        &[("name", "f"), ("name", "g")],
        &[("name", "f"), ("checksum", "00")],
        &[("name", "f"), ("bundle", "eA==")],
        &[("version", "v1")],
    ] {
        deploy(&server, fields, &packed).await.is_error(400, "invalid_request");
    }
    deploy(&server, &[("name", "f"), ("entry", "../x.ts")], &packed).await.is_error(400, "invalid_archive");
    let (kind, body) = form(&[("name", "f")], None);
    let path = format!("/v1/projects/{}/functions", server.a);
    server.send("sk_a", (Method::POST, &path), Some((&kind, body))).await.is_error(400, "invalid_request");
    server.get("/v1/functions/f").await.is_error(404, "function_not_found");
    assert_eq!(server.bundles(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_a_lock_file_are_installed_without_their_scripts_unless_that_is_off() {
    let source = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = source.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let script = r#"{ "name": "left", "version": "1.0.0", "main": "i.js", "scripts": { "postinstall": "touch ran" } }"#;
    let package = r#"{ "name": "app", "dependencies": { "left": "file:./vendor/left" }, "scripts": { "postinstall": "touch ran" }, "trustedDependencies": ["left"] }"#;
    let index = "import left from 'left'; export default () => new Response(left)";
    let files = [
        ("package.json", package),
        ("index.ts", index),
        ("vendor/left/package.json", script),
        ("vendor/left/i.js", "export default 'installed'"),
    ];
    for (path, content) in files {
        write(path, content);
    }
    let bun =
        worker_pool::BunBinary::find(std::env::var_os("BUNBASE_BUN_PATH").as_deref().map(Path::new), &[])
            .unwrap();
    let done = Command::new(bun.path())
        .args(["install", "--lockfile-only", "--ignore-scripts"])
        .current_dir(source.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let lock = std::fs::read_to_string(source.path().join("bun.lock")).unwrap();
    let mut packed = files.to_vec();
    packed.push(("bun.lock", &lock));
    let packed = archive(&packed);

    let server = Server::start().await;
    deploy(&server, &[("name", "f")], &packed).await.is(201);
    assert_eq!(server.get("/v1/functions/f").await.is(200).text(), "installed");
    server.stop().await;
    let off = Server::start_with(FunctionsConfig { install_packages: false, ..config() }).await;
    let refused = deploy(&off, &[("name", "f")], &packed).await;
    refused.is_error(400, "invalid_archive");
    assert!(refused.text().contains("install_packages"), "{refused:?}");
    off.stop().await;
}
