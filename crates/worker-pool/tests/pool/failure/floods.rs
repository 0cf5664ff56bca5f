//! Sockets, logs and files without number.

use super::{Contained, code_and_status};

#[tokio::test]
async fn ten_thousand_open_sockets_end_at_the_limit_of_the_worker() {
    let source = "const open = [];
    const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {}, error() {} } });
    export default async (req) => {
        if (new URL(req.url).pathname === '/open') for (let at = 0; at < 10000; at += 1) {
            const socket = { data() {}, error() {} };
            open.push(await Bun.connect({ hostname: '127.0.0.1', port: server.port, socket }));
        }
        return new Response(String(open.length));
    }";
    let contained = Contained::start(source).await;
    let pid = contained.pid();
    assert_eq!(code_and_status(&contained.error("/open").await), ("handler_error", 500));
    let opened: usize = contained.answer("/").await.parse().unwrap();
    assert!((1000..4096).contains(&opened), "{opened} sockets");
    assert_eq!(contained.pid(), pid);
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn a_gigabyte_of_log_is_bounded_and_counted() {
    let source = "import { writeSync } from 'node:fs'; const line = 'x'.repeat(16000);
    export default async (req) => {
        const path = new URL(req.url).pathname;
        for (let at = 0; at < 65536; at += 1) {
            if (path === '/console') console.log(line); else writeSync(1, line + '\\n');
        }
        return new Response('survived');
    }";
    let contained = Contained::start(source).await;
    for path in ["/console", "/stdout"] {
        assert_eq!(contained.answer(path).await, "survived", "{path}");
    }
    contained.bench.host.line(|line| line.dropped > 0).await;
    let kept: usize = contained.bench.host.lines().iter().map(|line| line.message.len()).sum();
    assert!(kept < 64 << 20, "{kept} bytes of 2 GB were kept");
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn a_file_does_not_grow_over_the_limit() {
    let source = "import { openSync, writeSync, ftruncateSync } from 'node:fs';
    export default () => {
        const file = openSync('large', 'w');
        ftruncateSync(file, 2 ** 30);
        try { return new Response(String(writeSync(file, 'x', 2 ** 30))); } catch (error) { return new Response(error.code) }
    }";
    let contained = Contained::start(source).await;
    match crate::support::call(&contained.version, crate::support::get("/")).await {
        Ok(response) => assert_eq!(crate::support::text(response).await, "EFBIG"),
        Err(error) => assert_eq!(code_and_status(&error), ("worker_crashed", 502)),
    }
    contained.neighbour_goes_on().await;
}
