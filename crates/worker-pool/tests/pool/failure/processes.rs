//! Child processes are refused, in words by the worker and for good by the kernel.

use super::Contained;
use crate::support::get_text;

#[tokio::test]
async fn every_way_to_start_a_process_is_refused() {
    let source = "import { execFile, fork, spawn as named } from 'node:child_process';
    import childProcess from 'node:child_process';
    const ways = {
        'Bun.spawn': () => Bun.spawn(['/bin/true']),
        'Bun.spawnSync': () => Bun.spawnSync(['/bin/true']),
        'Bun.$': () => Bun.$`true`,
        named: () => named('/bin/true'),
        execFile: () => execFile('/bin/true', () => {}),
        fork: () => fork('/bin/true'),
        execSync: () => childProcess.execSync('true'),
    };
    export default async () => {
        const seen = [];
        for (const [name, start] of Object.entries(ways)) {
            try { await start(); seen.push(name + ' started'); } catch (error) { seen.push(error.code); }
        }
        return new Response(seen.join());
    }";
    let contained = Contained::start(source).await;
    assert_eq!(contained.answer("/").await, ["ERR_PROCESS_REFUSED"; 7].join(","));
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn a_fork_bomb_of_native_code_gets_no_process() {
    assert!(Contained::start("export default () => new Response()").await.bench.pool.isolation().syscalls);
    let source = "import { dlopen } from 'bun:ffi';
    const { symbols } = dlopen('libc.so.6', {
        fork: { args: [], returns: 'i32' },
        vfork: { args: [], returns: 'i32' },
        system: { args: ['cstring'], returns: 'i32' },
    });
    export default () => {
        const results = new Set();
        for (let at = 0; at < 1000; at += 1) results.add(symbols.fork());
        return new Response([...results, symbols.vfork(), symbols.system(Buffer.from('true\\0'))].join());
    }";
    let contained = Contained::start(source).await;
    // As a shell says that it found no program: `system(3)`.
    assert_eq!(contained.answer("/").await, format!("-1,-1,{}", 127 << 8));
    let pid = contained.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    assert_eq!(children, "");
    contained.neighbour_goes_on().await;
}

#[tokio::test]
async fn another_program_cannot_take_the_place_of_the_worker() {
    let source = "import { dlopen } from 'bun:ffi';
    const { symbols } = dlopen('libc.so.6', { execl: { args: ['cstring', 'cstring', 'ptr'], returns: 'i32' } });
    const path = Buffer.from('/bin/true\\0');
    export default () => new Response(String(symbols.execl(path, path, null)));";
    let contained = Contained::start(source).await;
    assert!(contained.bench.pool.isolation().files);
    assert_eq!(contained.answer("/").await, "-1");
}

#[tokio::test]
async fn threads_are_allowed() {
    let source = "export default async () => {
        const code = 'self.onmessage = (event) => postMessage(event.data * 2)';
        const worker = new Worker(URL.createObjectURL(new Blob([code])));
        const doubled = new Promise((done) => { worker.onmessage = (event) => done(event.data) });
        worker.postMessage(21);
        return new Response(String(await doubled));
    }";
    let contained = Contained::start(source).await;
    assert_eq!(get_text(&contained.version, "/").await, "42");
}

#[tokio::test]
async fn signals_reach_only_the_worker_itself() {
    let source = "import { dlopen } from 'bun:ffi';
    const { symbols } = dlopen('libc.so.6', { kill: { args: ['i32', 'i32'], returns: 'i32' } });
    export default (req) => {
        const pid = Number(req.headers.get('x-pid'));
        return new Response([symbols.kill(pid, 0), symbols.kill(process.ppid, 0), symbols.kill(process.pid, 0)].join());
    }";
    let contained = Contained::start(source).await;
    let mut request = crate::support::get("/");
    request.headers.insert("x-pid", contained.neighbour_pids[0].into());
    let response = crate::support::call(&contained.version, request).await.unwrap();
    assert_eq!(crate::support::text(response).await, "-1,-1,0");
}
