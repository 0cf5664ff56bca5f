//! What a handler may look like, what it sees, and what comes back.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use worker_pool::{InvokeError, LogLevel, LogSource, RequestBody};

use crate::support::{Bench, PATIENCE, call, get, get_text, is_alive, post, text, until};

#[tokio::test]
async fn every_form_of_handler_is_called() {
    let bench = Bench::start().await;
    let forms = [
        ("function", "export default (req) => new Response('ok')"),
        ("async", "export default async (req) => new Response('ok')"),
        ("object", "export default { text: 'ok', fetch(req) { return new Response(this.text) } }"),
        ("named", "export const handler = async () => new Response('ok')"),
        ("thenable", "export default () => ({ then(done) { done(new Response('ok')) } })"),
        ("commonjs", "module.exports = { default: async () => new Response('ok') }"),
    ];
    for (name, source) in forms {
        let version = bench.load(name, source).await;
        assert_eq!(get_text(&version, "/").await, "ok", "{name}");
        version.retire().await;
    }
    let mut spec = bench.spec("other", "export const other = () => new Response('other'); export default 5");
    spec.handlers = ["other".to_owned()].into();
    let version = bench.pool.load(spec).await.unwrap();
    assert_eq!(get_text(&version, "/").await, "other");
}

#[tokio::test]
async fn the_handler_sees_the_request_and_the_caller_the_response() {
    let bench = Bench::start().await;
    let source = "export default async (req) => {
        const headers = new Headers({ 'x-seen': JSON.stringify([req.method, req.url, req.headers.get('x-a'),
            req.headers.get('X-Invocation-Id'), req instanceof Request]) });
        headers.append('set-cookie', 'a=1'); headers.append('set-cookie', 'b=2');
        return new Response(await req.text(), { status: 201, headers });
    }";
    let version = bench.load("mirror", source).await;
    let mut request = post("/p?q=1", RequestBody::Full(Bytes::from_static("grüße".as_bytes())));
    request.headers.insert("x-a", HeaderValue::from_static("1"));
    request.headers.insert("x-invocation-id", HeaderValue::from_static("forged"));
    let response = call(&version, request).await.unwrap();
    assert_eq!(response.status, StatusCode::CREATED);
    let cookies: Vec<_> = response.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let seen = response.headers["x-seen"].to_str().unwrap();
    assert_eq!(seen, r#"["POST","http://localhost:3001/p?q=1","1","inv-/p?q=1",true]"#);
    assert_eq!(text(response).await, "grüße");
}

#[tokio::test]
async fn many_calls_run_at_once_on_one_worker() {
    let bench = Bench::start().await;
    let source = "let waiting = []; export default (req) => new Promise((answer) => {
        waiting.push(() => answer(new Response(new URL(req.url).pathname)));
        if (waiting.length === 50) for (const go of waiting) go();
    })";
    let version = bench.load_with("barrier", source, |settings| settings.max_workers = 1).await;
    let paths: Vec<_> = (0..50).map(|number| format!("/{number}")).collect();
    let answers = futures_util::future::join_all(paths.iter().map(|path| get_text(&version, path))).await;
    assert_eq!(answers, paths);
}

#[tokio::test]
async fn a_handler_that_throws_gives_an_error_id_and_the_stack_in_the_log() {
    let bench = Bench::start().await;
    let source =
        "export default async () => { throw new TypeError('broken inside', { cause: new Error('deeper') }) }";
    let version = bench.load("throws", source).await;
    let error = call(&version, get("/t")).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("handler_error", 500));
    let InvokeError::HandlerError { error_id, message } = error else { panic!("{error}") };
    assert_eq!(message, "TypeError: broken inside");
    let line = bench.host.line(|line| line.message.contains(&error_id)).await;
    assert!(line.message.contains("throws.js"), "{}", line.message);
    assert!(line.message.contains("deeper"), "{}", line.message);
    assert_eq!((line.level, line.source), (LogLevel::Error, LogSource::Runtime));
    assert_eq!(line.invocation_id.as_deref(), Some("inv-/t"));
}

#[tokio::test]
async fn whatever_is_no_response_is_an_error_that_says_what_it_was() {
    let bench = Bench::start().await;
    let source =
        "export default (req) => [undefined, null, 'text', { a: 1 }][Number(req.headers.get('x-n'))]";
    let version = bench.load("nothing", source).await;
    for (number, said) in ["undefined", "null", "text", "Object"].iter().enumerate() {
        let mut request = get("/");
        request.headers.insert("x-n", HeaderValue::from(number));
        let error = call(&version, request).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), ("handler_no_response", 500));
        let InvokeError::NoResponse { message, .. } = error else { panic!("{error}") };
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn bundles_that_cannot_take_calls_are_refused_with_the_reason() {
    let bench = Bench::start().await;
    let parse = bench.load_error("parse", "export default (req => ; ").await;
    assert_eq!((parse.code(), parse.status().as_u16()), ("bundle_import_failed", 400));
    assert!(parse.to_string().contains("line 1"), "{parse}");
    let throws = bench.load_error("import", "throw new Error('at import')").await;
    assert!(throws.to_string().contains("Error: at import"), "{throws}");
    let missing = bench.load_error("missing", "export const other = 1").await;
    assert_eq!(missing.code(), "bundle_handler_missing");
    assert!(missing.to_string().contains("other"), "{missing}");
    let ends = bench.load_error("ends", "process.exit(3)").await;
    assert_eq!((ends.code(), ends.status().as_u16()), ("bundle_import_crashed", 400));
    let version = bench.load("fine", "export default () => new Response('fine')").await;
    assert_eq!(get_text(&version, "/").await, "fine");
}

#[tokio::test]
async fn an_import_that_does_not_end_is_refused_in_time() {
    let bench = Bench::start_with(|config| config.startup_timeout = std::time::Duration::from_secs(1)).await;
    for source in ["for (;;) {}", "await new Promise(() => {})"] {
        let error = bench.load_error("endless", source).await;
        assert_eq!((error.code(), error.status().as_u16()), ("bundle_import_timeout", 400));
    }
}

#[tokio::test]
async fn the_environment_holds_what_was_declared_and_nothing_else() {
    let bench = Bench::start().await;
    let source = "export default () => Response.json([{ ...process.env }, { ...Bun.env }])";
    let mut spec = bench.spec("env", source);
    spec.env = vec![("GREETING".to_owned(), "hello".to_owned())];
    let version = bench.pool.load(spec).await.unwrap();
    assert_eq!(get_text(&version, "/").await, r#"[{"GREETING":"hello"},{"GREETING":"hello"}]"#);
    let pid = version.stats().pids[0];
    let raw = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let names: Vec<_> = raw
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        .map(|(name, _)| name)
        .collect();
    for name in names {
        let known = ["HOME", "TMPDIR", "DO_NOT_TRACK", "BUN_RUNTIME_TRANSPILER_CACHE_PATH"];
        assert!(known.contains(&name), "{name} reached the worker");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"));
}

#[tokio::test]
async fn console_lines_carry_the_call_that_wrote_them() {
    let bench = Bench::start().await;
    let source = "export default async (req) => {
        const name = new URL(req.url).pathname;
        console.log('first %s', name, { a: 1 });
        await new Promise((done) => setTimeout(done, Math.random() * 20));
        console.warn('second', name);
        setTimeout(() => console.error('late ' + name), 5);
        return new Response();
    }";
    let version = bench.load_with("logs", source, |settings| settings.max_workers = 1).await;
    let paths: Vec<_> = (0..20).map(|number| format!("/{number}")).collect();
    futures_util::future::join_all(paths.iter().map(|path| get_text(&version, path))).await;
    for path in &paths {
        let wanted = [
            (format!("first {path} {{ a: 1 }}"), LogLevel::Info),
            (format!("second {path}"), LogLevel::Warn),
            (format!("late {path}"), LogLevel::Error),
        ];
        for (message, level) in wanted {
            let line = bench.host.line(|line| line.message == message).await;
            assert_eq!(line.invocation_id.as_deref(), Some(format!("inv-{path}").as_str()), "{message}");
            assert_eq!((line.level, line.source), (level, LogSource::Console));
            assert_eq!((&*line.project, &*line.version), ("project-1", "logs"));
            let fields = message.starts_with("first").then_some(r#"{"a":1}"#);
            assert_eq!(line.fields.as_deref(), fields, "{message}");
        }
    }
}

#[tokio::test]
async fn standard_output_and_error_are_captured() {
    let bench = Bench::start().await;
    let source = "export default () => { process.stdout.write('to out\\n'); process.stderr.write('to err\\n'); return new Response() }";
    let version = bench.load("raw", source).await;
    get_text(&version, "/").await;
    let out = bench.host.line(|line| line.message == "to out").await;
    assert_eq!((out.source, out.level), (LogSource::Stdout, LogLevel::Info));
    let err = bench.host.line(|line| line.message == "to err").await;
    assert_eq!((err.source, err.level), (LogSource::Stderr, LogLevel::Error));
}

#[tokio::test]
async fn port_calls_reach_the_host_with_project_and_call() {
    let bench = Bench::start().await;
    let source = "const channel = globalThis[Symbol.for('bunbase.channel')];
    export default async (req) => {
        const plain = await channel.fetch({ method: 'PUT', path: '/v1/a?b=1', headers: { 'x-asked': 'yes' }, body: 'text' });
        const real = await channel.fetch(new Request('http://any/v1/c', { method: 'POST', body: 'real' }));
        const project = plain.headers.get('x-project');
        return Response.json([plain.status, project, plain.headers.get('x-version'), plain.headers.get('x-invocation'), await plain.text(), await real.text()]);
    }";
    let version = bench.load("ports", source).await;
    assert_eq!(
        get_text(&version, "/x").await,
        r#"[202,"project-1","ports","inv-/x","PUT /v1/a?b=1 Some(\"yes\") text","POST /v1/c None real"]"#
    );
}

#[tokio::test]
async fn spares_are_refilled_and_end_with_the_pool() {
    let bench = Bench::start().await;
    until(|| bench.pool.stats().spares == 2).await;
    let source = "export default () => new Response(String(process.pid))";
    let first = bench.load("a", source).await;
    let second = bench.load("b", source).await;
    let pids = [get_text(&first, "/").await, get_text(&second, "/").await];
    assert_ne!(pids[0], pids[1]);
    until(|| bench.pool.stats().spares == 2).await;
    assert_eq!(bench.pool.stats().workers, 2);
    bench.pool.stop().await;
    for pid in pids {
        assert!(!is_alive(pid.parse().unwrap()));
    }
    assert_eq!(call(&first, get("/")).await.unwrap_err().code(), "function_retired");
    assert_eq!(std::fs::read_dir(bench.directory.path().join("w")).unwrap().count(), 1);
}

#[tokio::test]
async fn bytecode_is_preferred_and_the_bundle_stands_behind_it() {
    let bench = Bench::start().await;
    let cases = [
        (Some("exports.default = () => new Response('compiled'); exports.fetch = () => 5"), "compiled"),
        (Some("throw new Error('another Bun')"), "plain"),
        (Some("exports.other = () => new Response('other')"), "plain"),
        (None, "plain"),
    ];
    for (number, (compiled, answer)) in cases.into_iter().enumerate() {
        let mut spec = bench.spec(&format!("f{number}"), "export default () => new Response('plain')");
        let path = bench.directory.path().join(format!("f{number}.cjs"));
        if let Some(compiled) = compiled {
            std::fs::write(&path, compiled).unwrap();
        }
        spec.bytecode_path = Some(path);
        let version = bench.pool.load(spec).await.unwrap();
        assert_eq!(get_text(&version, "/").await, answer, "{compiled:?}");
    }
}

#[tokio::test]
async fn a_version_that_retires_while_the_pool_stops_is_not_waited_for() {
    let bench = Bench::start_with(|config| config.drain_timeout = 10 * PATIENCE).await;
    let version = bench.load("f", "export default () => new Response(String(process.pid))").await;
    let pid = get_text(&version, "/").await;
    let both = async { tokio::join!(version.retire(), bench.pool.stop()) };
    tokio::time::timeout(PATIENCE, both).await.expect("the end of a worker was missed");
    assert!(!is_alive(pid.parse().unwrap()));
}
