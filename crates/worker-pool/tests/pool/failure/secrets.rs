//! What a worker can read and write, and where it can connect.

use std::sync::Arc;

use worker_pool::VersionPool;

use super::Contained;
use crate::support::{Bench, call, get, text};

const OPENER: &str = "import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
const tried = (attempt) => { try { return attempt() } catch (error) { return error.code } };
export default async (req) => {
    const path = req.headers.get('x-path');
    return new Response(String({
        '/read': () => tried(() => readFileSync(path, 'latin1').length >= 0 && 'read'),
        '/list': () => tried(() => readdirSync(path).length >= 0 && 'read'),
        '/write': () => tried(() => writeFileSync(path, 'x') ?? 'written'),
    }[new URL(req.url).pathname]()));
}";

async fn attempt(version: &Arc<VersionPool>, what: &str, path: &str) -> String {
    let mut request = get(what);
    request.headers.insert("x-path", path.parse().unwrap());
    text(call(version, request).await.unwrap()).await
}

#[tokio::test]
async fn files_of_the_server_and_of_others_cannot_be_read() {
    let contained = Contained::start(OPENER).await;
    assert!(contained.bench.pool.isolation().files);
    let root = contained.bench.directory.path();
    std::fs::write(root.join("root.key"), "secret").unwrap();
    let work_dir = root.join("w");
    let server = std::process::id();
    let own = contained.pid();
    let closed = [
        root.join("root.key").display().to_string(),
        // The stored bundles: its own one it has as a link.
        root.join("neighbour.js").display().to_string(),
        root.join("contained.js").display().to_string(),
        format!("/proc/{server}/environ"),
        format!("/proc/{server}/cmdline"),
        format!("/proc/{server}/mem"),
        format!("/proc/{}/environ", contained.neighbour_pids[0]),
        "/etc/shadow".to_owned(),
        "/etc/ssl/private".to_owned(),
        "/root/.profile".to_owned(),
    ];
    for path in closed {
        assert_eq!(attempt(&contained.version, "/read", &path).await, "EACCES", "{path}");
    }
    for path in [root, &work_dir, "/".as_ref(), "/proc".as_ref(), "/home".as_ref(), "/tmp".as_ref()] {
        let path = path.display().to_string();
        assert_eq!(attempt(&contained.version, "/list", &path).await, "EACCES", "{path}");
    }
    for path in
        [format!("/proc/{own}/status"), "/proc/self/environ".to_owned(), "/etc/resolv.conf".to_owned()]
    {
        assert_eq!(attempt(&contained.version, "/read", &path).await, "read", "{path}");
    }
}

#[tokio::test]
async fn a_worker_writes_only_into_its_own_temporary_directory_and_that_is_removed() {
    let contained = Contained::start(OPENER).await;
    let work_dir = contained.bench.directory.path().join("w");
    let own = contained.version.workers()[0].number;
    let others = contained.neighbour.workers()[0].number;
    let closed = [
        work_dir.join("program/worker.js"),
        work_dir.join(format!("w{own}/code/contained.js")),
        work_dir.join(format!("w{own}/more")),
        work_dir.join(format!("w{others}/tmp/more")),
        contained.bench.directory.path().join("contained.js"),
        "/tmp/of-a-worker".into(),
        "/dev/shm/of-a-worker".into(),
    ];
    for path in closed {
        let path = path.display().to_string();
        assert_eq!(attempt(&contained.version, "/write", &path).await, "EACCES", "{path}");
    }
    assert_eq!(attempt(&contained.version, "/write", "own").await, "written");
    let scratch = work_dir.join(format!("w{own}"));
    assert!(scratch.join("tmp/own").is_file());
    contained.version.retire().await;
    assert!(!scratch.exists());
}

#[tokio::test]
async fn without_the_step_before_bun_the_pool_says_what_is_missing() {
    let bench = Bench::start_with(|config| config.launch_program = None).await;
    let isolation = bench.pool.isolation();
    assert!(!isolation.launcher && !isolation.files && !isolation.syscalls);
    assert_eq!(isolation.missing().len(), 1);
    let version = bench.load("plain", OPENER).await;
    let stored = bench.directory.path().join("plain.js").display().to_string();
    assert_eq!(attempt(&version, "/read", &stored).await, "read");
}

#[tokio::test]
async fn a_version_without_hosts_gets_no_internet_socket() {
    let source = "import { dlopen } from 'bun:ffi';
    const { symbols } = dlopen('libc.so.6', { socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' } });
    const tried = async (attempt) => { try { await attempt(); return 'connected' } catch (error) { return error.code } };
    export default async () => new Response([
        await tried(() => fetch('http://127.0.0.1:1/')), symbols.socket(2, 1, 0), symbols.socket(10, 1, 0),
    ].join());";
    let contained = Contained::start_with(source, |settings| settings.allowed_hosts = Some(Vec::new())).await;
    assert_eq!(contained.answer("/").await, "ERR_HOST_REFUSED,-1,-1");
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn a_version_connects_only_to_the_hosts_that_it_declares() {
    let source = "import http from 'node:http'; import net from 'node:net'; import tls from 'node:tls';
    const port = Number(process.env.PORT);
    const ways = {
        fetch: (host) => fetch(`http://${host}:${port}/`).then((answer) => answer.text()),
        connect: (host) => Bun.connect({ hostname: host, port, socket: { data() {} } }),
        net: (host) => new Promise((done, fail) => net.connect(port, host).on('connect', done).on('error', fail)),
        options: (host) => new Promise((done, fail) => net.connect({ port, host }).on('connect', done).on('error', fail)),
        http: (host) => new Promise((done, fail) => http.get(`http://${host}:${port}/`, done).on('error', fail)),
        socket: (host) => new Promise((done) => { const socket = new WebSocket(`ws://${host}:${port}/`); socket.onerror = done; socket.onclose = done }),
    };
    export default async (req) => {
        const host = new URL(req.url).pathname.slice(1);
        const seen = [];
        for (const [name, connect] of Object.entries(ways)) {
            try { await connect(host); seen.push(name) } catch (error) { seen.push(error.code) }
        }
        return new Response(seen.join());
    }";
    let bench = Bench::start().await;
    let port = serve_hello().await;
    let mut spec = bench.spec("hosts", source);
    spec.env = vec![("PORT".to_owned(), port.to_string())];
    spec.settings.allowed_hosts = Some(vec![format!("127.0.0.1:{port}")]);
    let version = bench.pool.load(spec).await.unwrap();
    let answer = |path| crate::support::get_text(&version, path);
    assert_eq!(answer("/127.0.0.1").await, "fetch,connect,net,options,http,socket");
    assert_eq!(answer("/localhost").await, ["ERR_HOST_REFUSED"; 6].join(","));
}

/// A server that answers every connection with the same few bytes.
async fn serve_hello() -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 1024]).await;
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
                    .await;
            });
        }
    });
    port
}
