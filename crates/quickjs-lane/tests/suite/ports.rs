//! The channel to the server's own services, and the SDK's client on it.

use std::path::Path;
use std::process::Command;

use worker_pool::BunBinary;

use crate::support::{Bench, call, get, get_text};

#[tokio::test]
async fn the_channel_reaches_the_host_as_the_functions_project() {
    let bench = Bench::start();
    let source = "const channel = globalThis[Symbol.for('bunbase.channel')];
    export default async () => {
        const reply = await channel.fetch({ method: 'POST', path: '/v1/x?y=1', headers: { 'x-asked': 'yes' }, body: 'hello' });
        const again = await channel.fetch(new Request('http://any/v1/z', { method: 'PUT', body: new Uint8Array([104, 105]) }));
        const names = ['x-project', 'x-version', 'x-invocation'].map((name) => reply.headers.get(name));
        return Response.json([reply.status, names, await reply.json(), await again.json()]);
    }";
    let version = bench.load("channel", source).await;
    let wanted = r#"[202,["project-1","channel","inv-/"],{"method":"POST","path":"/v1/x?y=1","asked":"yes","body":"hello"},{"method":"PUT","path":"/v1/z","asked":"","body":"hi"}]"#;
    assert_eq!(get_text(&version, "/").await, wanted);
}

#[tokio::test]
async fn many_calls_over_the_channel_are_each_answered() {
    let bench = Bench::start();
    let source = "const channel = globalThis[Symbol.for('bunbase.channel')];
    export default async () => {
        const replies = await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
            const { path } = await (await channel.fetch({ path: '/' + i })).json();
            return path === '/' + i;
        }));
        return Response.json([replies.length, replies.every(Boolean)]);
    }";
    let version = bench.load("many", source).await;
    assert_eq!(get_text(&version, "/").await, "[1000,true]");
}

#[tokio::test]
async fn calls_that_the_channel_cannot_carry_are_errors() {
    let bench = Bench::start();
    let source = "const channel = globalThis[Symbol.for('bunbase.channel')];
    export default async () => {
        const tries = [{ path: 'v1' }, { path: '/', method: 'A B' }, { path: '/', body: new Uint8Array((16 << 20) + 1) }, { path: '/', headers: { 'a b': '1' } }];
        const names = await Promise.all(tries.map((request) => channel.fetch(request).then(() => 'fine', (error) => error.name)));
        const bodies = Array.from({ length: 6 }, () => channel.fetch({ path: '/never', body: new Uint8Array(12 << 20) }));
        names.push(await Promise.race(bodies).catch((error) => error.name));
        try { channel.waitUntil(Promise.resolve()) } catch (error) { names.push(error.message.split(' is ')[0]) }
        const controller = new AbortController();
        const aborted = channel.fetch({ path: '/never', signal: controller.signal });
        controller.abort();
        names.push(await aborted.catch((error) => error.name));
        return Response.json(names);
    }";
    let version = bench
        .load_with("refused", source, |spec| {
            spec.capabilities.max_memory_bytes = 400 << 20;
            spec.version.settings.memory_limit_bytes = 400 << 20;
        })
        .await;
    assert_eq!(
        get_text(&version, "/").await,
        r#"["TypeError","TypeError","RangeError","TypeError","RangeError","waitUntil","AbortError"]"#
    );
}

#[tokio::test]
async fn the_sdk_works_inside() {
    let bench = Bench::start();
    let source = "import { bunbase } from 'bunbase-js/function';
    export default async () => {
        const reply = await bunbase.functions.invoke('other', { a: 1 });
        return Response.json(reply);
    }";
    let bundled = bundle(bench.directory.path(), source);
    let version = bench.load("sdk", &bundled).await;
    let response = call(&version, get("/")).await.unwrap();
    let said = crate::support::text(response).await;
    assert!(said.contains("POST") && said.contains("/other"), "{said}");
}

/// As a deployment bundles it, with the SDK of this repository.
fn bundle(directory: &Path, source: &str) -> String {
    let packages =
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../packages/bunbase-js");
    let modules = directory.join("node_modules");
    std::fs::create_dir_all(&modules).unwrap();
    std::os::unix::fs::symlink(packages.canonicalize().unwrap(), modules.join("bunbase-js")).unwrap();
    std::fs::write(directory.join("entry.js"), source).unwrap();
    let explicit = std::env::var_os("BUNBASE_BUN_PATH").map(std::path::PathBuf::from);
    let bun = BunBinary::find(explicit.as_deref(), &[]).expect("the tests need a bun");
    let output = Command::new(bun.path())
        .args(["build", "entry.js", "--target", "browser", "--format", "esm"])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
