//! Forms of handlers, what they see of a call, and what callers see of their answers.

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use worker_pool::{BoxError, InvokeError, LoadError, LogLevel, LogSource, RequestBody, Waited};

use crate::support::{Bench, call, code, get, get_text, post, text};

#[tokio::test]
async fn every_form_of_handler_is_found() {
    let bench = Bench::start();
    let forms = [
        ("function", "export default (req) => new Response('ok ' + req.method)"),
        (
            "async",
            "export default async function (req) { await null; return new Response('ok ' + req.method) }",
        ),
        (
            "object",
            "export default { word: 'ok', fetch(req) { return new Response(this.word + ' ' + req.method) } }",
        ),
        ("named", "export const handler = (req) => new Response('ok ' + req.method)"),
        ("commonjs", "export default { default: (req) => new Response('ok ' + req.method) }"),
        (
            "awaited",
            "const word = await Promise.resolve('ok'); export default (req) => new Response(word + ' ' + req.method)",
        ),
        (
            "timed",
            "await new Promise((next) => setTimeout(next, 5)); export default (req) => new Response('ok ' + req.method)",
        ),
    ];
    for (name, source) in forms {
        let version = bench.load(name, source).await;
        assert_eq!(get_text(&version, "/").await, "ok GET", "{name}");
        let lazy = bench.lane.register(bench.spec(name, source));
        assert_eq!(get_text(&lazy, "/").await, "ok GET", "{name}, registered");
    }
    let other = "export const other = () => new Response('other')";
    let chosen =
        bench.load_with("chosen", other, |spec| spec.version.handlers = ["other".to_owned()].into()).await;
    assert_eq!(get_text(&chosen, "/").await, "other");
}

#[tokio::test]
async fn a_version_that_was_imported_says_what_it_declares_and_exports() {
    let bench = Bench::start();
    let source = "export const config = { a: [1], b: undefined }; export const other = () => 1; export const word = 'x';
        export default { fetch: () => new Response('ok'), config: { not: 'this' }, inner: () => 1 }";
    let version = bench.load("told", source).await;
    let report: &[u8] = version.report().unwrap();
    assert_eq!(
        std::str::from_utf8(report).unwrap(),
        r#"{"config":{"a":[1]},"exports":["default","other","fetch","inner"]}"#
    );
    let lazy = bench.lane.register(bench.spec("lazy", "export default () => new Response('ok')"));
    assert!(lazy.report().is_none());
    get_text(&lazy, "/").await;
    let report: &[u8] = lazy.report().unwrap();
    assert_eq!(std::str::from_utf8(report).unwrap(), r#"{"config":null,"exports":["default"]}"#);
    for (name, config, said) in [
        ("ring", "const config = {}; config.self = config; export { config };", "cannot be written as JSON"),
        ("large", "export const config = { text: 'x'.repeat(1 << 20) };", "too large"),
    ] {
        let refused = bench.load_error(name, &format!("{config} export default () => 1")).await;
        assert!(
            matches!(&refused, LoadError::Import { message, .. } if message.contains(said)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_call_that_had_to_start_an_instance_knows_how_long_that_took() {
    let bench = Bench::start();
    let version = bench.lane.register(bench.spec("f", "export default () => new Response('ok')"));
    let mut waited = [Waited::default(); 2];
    for waited in &mut waited {
        version.invoke_measured(get("/"), waited).await.unwrap();
    }
    assert!(waited[0].cold_start.is_some_and(|took| !took.is_zero()), "{waited:?}");
    assert_eq!(waited[1].cold_start, None);
    let loaded = bench.load("loaded", "export default () => new Response('ok')").await;
    let mut first = Waited::default();
    loaded.invoke_measured(get("/"), &mut first).await.unwrap();
    assert_eq!(first.cold_start, None);
}

#[tokio::test]
async fn bundles_that_cannot_take_calls_are_refused_with_their_reason() {
    let bench = Bench::start();
    let syntax = bench.load_error("syntax", "export default (req) => {\n  return new Response('x'\n}").await;
    assert!(
        matches!(&syntax, LoadError::Import { message, .. } if message.contains("SyntaxError")),
        "{syntax:?}"
    );
    assert!(matches!(&syntax, LoadError::Import { stack, .. } if stack.contains("bundle.js:")), "{syntax:?}");
    let throws = bench.load_error("throws", "throw new RangeError('on import')").await;
    assert!(
        matches!(&throws, LoadError::Import { message, .. } if message == "RangeError: on import"),
        "{throws:?}"
    );
    let rejects = bench.load_error("rejects", "await Promise.reject(new Error('later'))").await;
    assert!(
        matches!(&rejects, LoadError::Import { message, .. } if message == "Error: later"),
        "{rejects:?}"
    );
    let imports = bench.load_error("imports", "import { x } from 'node:vm'; export default x").await;
    assert!(
        matches!(&imports, LoadError::Import { message, .. } if message.contains("node:vm")),
        "{imports:?}"
    );
    let missing = bench.load_error("missing", "export const hello = 1").await;
    assert_eq!((missing.code(), missing.status().as_u16()), ("bundle_handler_missing", 400));
    assert!(missing.to_string().contains("exports: hello"), "{missing}");
    let gone = bench.lane.register(bench.spec("gone", "export const hello = 1"));
    assert!(matches!(call(&gone, get("/")).await, Err(InvokeError::StartFailed { .. })));
}

#[tokio::test]
async fn the_handler_sees_the_call() {
    let bench = Bench::start();
    let source = "export default async (req) => Response.json({
        method: req.method, url: req.url, path: new URL(req.url).pathname, q: new URL(req.url).searchParams.get('q'),
        many: req.headers.get('x-many'), latin: req.headers.get('x-latin'), id: req.headers.get('x-invocation-id'),
        body: await req.text(), used: req.bodyUsed, kind: req instanceof Request, aborted: req.signal.aborted,
    })";
    let version = bench.load("sees", source).await;
    let mut request = post("/a/b?q=%C3%A4", RequestBody::Full(Bytes::from("grüße")));
    request.headers.append("x-many", HeaderValue::from_static("1"));
    request.headers.append("x-many", HeaderValue::from_static("2"));
    request.headers.append("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
    request.headers.append("x-invocation-id", HeaderValue::from_static("forged"));
    let response = call(&version, request).await.unwrap();
    assert_eq!(response.headers["content-type"], "application/json");
    let seen = text(response).await;
    let wanted = r#"{"method":"POST","url":"http://localhost:3001/a/b?q=%C3%A4","path":"/a/b","q":"ä","many":"1, 2","latin":"café","id":"inv-/a/b?q=%C3%A4","body":"grüße","used":true,"kind":true,"aborted":false}"#;
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn the_caller_sees_the_answer() {
    let bench = Bench::start();
    let source = "export default async (req) => {
        const headers = new Headers([['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-latin', 'caf\\u00e9']]);
        switch (new URL(req.url).pathname) {
            case '/bytes': return new Response(new Uint8Array([0, 255, 10]), { status: 201, headers });
            case '/empty': return new Response(null, { status: 204 });
            case '/echo': return new Response(req.body, { headers: { 'content-type': 'x/y' } });
            case '/redirect': return Response.redirect('http://localhost/there', 303);
            case '/half': return new Response('\\ud800!');
            default: return new Response('text');
        }
    }";
    let version = bench.load("answers", source).await;
    let bytes = call(&version, get("/bytes")).await.unwrap();
    assert_eq!(bytes.status, 201);
    assert_eq!(bytes.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(bytes.headers["x-latin"].as_bytes(), b"caf\xe9");
    let body = http_body_util::BodyExt::collect(bytes.body).await.unwrap().to_bytes();
    assert_eq!(*body, [0, 255, 10]);
    let empty = call(&version, get("/empty")).await.unwrap();
    assert_eq!((empty.status.as_u16(), text(empty).await.as_str()), (204, ""));
    let echo = call(&version, post("/echo", RequestBody::Full(Bytes::from_static(b"there and back"))))
        .await
        .unwrap();
    assert_eq!(echo.headers["content-type"], "x/y");
    assert_eq!(text(echo).await, "there and back");
    let redirect = call(&version, get("/redirect")).await.unwrap();
    assert_eq!(
        (redirect.status.as_u16(), redirect.headers["location"].to_str().unwrap()),
        (303, "http://localhost/there")
    );
    let plain = call(&version, get("/")).await.unwrap();
    assert_eq!(plain.headers["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(get_text(&version, "/half").await, "\u{fffd}!");
}

#[tokio::test]
async fn streamed_bodies_arrive_whole_and_broken_or_large_ones_break_off() {
    let bench = Bench::start_with(|config| config.request_bytes_max = 10);
    let source = "export default async (req) => new Response(await req.text().catch((error) => 'caught: ' + error.message))";
    let version = bench.load("bodies", source).await;
    let chunks = |parts: Vec<Result<&'static str, &'static str>>| {
        let parts = parts.into_iter().map(|part| part.map(Bytes::from).map_err(BoxError::from));
        post("/", RequestBody::Stream(Box::pin(stream::iter(parts))))
    };
    let whole = call(&version, chunks(vec![Ok("there "), Ok("and")])).await.unwrap();
    assert_eq!(text(whole).await, "there and");
    let broken = call(&version, chunks(vec![Ok("there "), Err("gone")])).await.unwrap();
    assert_eq!(text(broken).await, "caught: the request body broke off");
    let large = call(&version, chunks(vec![Ok("eleven "), Ok("bytes")])).await.unwrap();
    assert_eq!(text(large).await, "caught: the request body is larger than 10 bytes");
    let full =
        call(&version, post("/", RequestBody::Full(Bytes::from_static(b"eleven byte")))).await.unwrap();
    assert_eq!(text(full).await, "caught: the request body is larger than 10 bytes");
}

#[tokio::test]
async fn errors_answer_with_their_code_and_leave_their_stack_in_the_log() {
    let bench = Bench::start();
    let source = "function deeper() { throw new TypeError('broken') }
    export default async (req) => {
        switch (new URL(req.url).pathname) {
            case '/throws': deeper();
            case '/rejects': await null; throw new Error('later');
            case '/string': throw 'just text';
            case '/nothing': return undefined;
            case '/object': return { status: 200 };
            case '/used': { const r = new Response('x'); await r.text(); return r; }
            case '/timer': setTimeout(() => { throw new Error('in a timer') }); return new Promise(() => {});
            case '/unhandled': Promise.reject(new Error('nobody looks')); return new Promise(() => {});
            case '/handled': { const p = Promise.reject(new Error('looked at')); p.catch(() => {}); return new Response('fine'); }
            case '/stream': return new Response(new ReadableStream());
        }
    }";
    let version = bench.load("errors", source).await;
    let InvokeError::HandlerError { error_id, message } = call(&version, get("/throws")).await.unwrap_err()
    else {
        panic!("another error");
    };
    assert_eq!(message, "TypeError: broken");
    let line = bench.host.line(|line| line.message.contains(&error_id)).await;
    assert_eq!((line.level, line.source), (LogLevel::Error, LogSource::Runtime));
    assert_eq!(line.invocation_id.as_deref(), Some("inv-/throws"));
    assert!(
        line.message.contains("TypeError: broken") && line.message.contains("at deeper (bundle.js:1"),
        "{line:?}"
    );
    for (path, wanted) in [
        ("/rejects", "handler_error"),
        ("/string", "handler_error"),
        ("/nothing", "handler_no_response"),
        ("/object", "handler_no_response"),
        ("/used", "handler_error"),
        ("/timer", "handler_error"),
        ("/unhandled", "handler_error"),
        ("/stream", "handler_error"),
    ] {
        assert_eq!(code(&version, path).await, wanted, "{path}");
    }
    assert_eq!(get_text(&version, "/handled").await, "fine");
    bench.host.line(|line| line.message.contains("in a timer")).await;
    bench.host.line(|line| line.message.contains("unhandled rejection: Error: nobody looks")).await;
    bench
        .host
        .line(|line| line.message.contains("ReadableStream is not available in the quickjs runtime"))
        .await;
}

#[tokio::test]
async fn console_lines_carry_their_call_and_their_level() {
    let bench = Bench::start();
    let source = "console.log('on import');
    export default (req) => {
        console.debug('d'); console.info('n', 1, { a: [1, 'x'], b: null }); console.warn('%s is %d', 'it', 7);
        console.error(new Error('shown')); console.group('g'); console.log('inside'); console.groupEnd(); console.log('after');
        console.log(new Map([['k', new Set([1n])]]), Symbol('s'), undefined, [undefined], -0, () => {}, class Car {});
        const circle = { name: 'c' }; circle.self = circle; console.log(circle);
        return new Response('ok');
    }";
    let version = bench.load("logs", source).await;
    get_text(&version, "/").await;
    let lines = bench.host.lines();
    let texts: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(texts[0], "on import");
    assert_eq!(lines[0].invocation_id, None);
    assert_eq!(texts[1..4], ["d", "n 1 { a: [1, \"x\"], b: null }", "it is 7"]);
    assert!(texts[4].starts_with("Error: shown\n    at "), "{}", texts[4]);
    assert_eq!(texts[5..8], ["g", "  inside", "after"]);
    assert_eq!(
        texts[8],
        "Map(1) { \"k\" => Set(1) { 1n } } Symbol(s) undefined [undefined] -0 [Function: (anonymous)] [class Car]"
    );
    assert_eq!(texts[9], "{ name: \"c\", self: [Circular] }");
    let levels: Vec<LogLevel> = lines[1..5].iter().map(|line| line.level).collect();
    assert_eq!(levels, [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error]);
    assert!(lines[1..].iter().all(|line| line.invocation_id.as_deref() == Some("inv-/")));
    assert!(lines.iter().all(|line| line.source == LogSource::Console && &*line.project == "project-1"));
}

#[tokio::test]
async fn log_lines_are_cut_and_a_flood_is_dropped_and_counted() {
    let bench = Bench::start();
    let source = "export default () => {
        const long = 'x'.repeat(100000);
        for (let i = 0; i < 1000; i++) console.log(long);
        return new Response('ok');
    }";
    let version = bench.load("flood", source).await;
    assert_eq!(get_text(&version, "/").await, "ok");
    let lines = bench.host.lines();
    assert!(lines.len() < 600, "{}", lines.len());
    assert!(lines.iter().all(|line| line.message.len() <= 16 * 1024));
}

#[tokio::test]
async fn the_environment_is_what_was_declared() {
    let bench = Bench::start();
    let source = "export default () => Response.json([process.env.GREETING, Object.keys(process.env)])";
    let version = bench
        .load_with("env", source, |spec| spec.version.env = vec![("GREETING".to_owned(), "hello".to_owned())])
        .await;
    assert_eq!(get_text(&version, "/").await, r#"["hello",["GREETING"]]"#);
}

#[tokio::test]
async fn an_instance_serves_the_next_call_unless_the_one_before_left_something() {
    let bench = Bench::start();
    let source = "let calls = 0;
    export default (req) => {
        calls += 1;
        const path = new URL(req.url).pathname;
        if (path === '/timer') setTimeout(() => { calls = 1000 }, 60000);
        if (path === '/weak') AbortSignal.timeout(60000);
        if (path === '/cleared') clearTimeout(setTimeout(() => {}, 60000));
        if (path === '/throws') throw new Error('x');
        return new Response(String(calls));
    }";
    let version = bench.load("reuse", source).await;
    assert_eq!(get_text(&version, "/").await, "1");
    assert_eq!(get_text(&version, "/weak").await, "2");
    assert_eq!(get_text(&version, "/cleared").await, "3");
    assert_eq!(code(&version, "/throws").await, "handler_error");
    assert_eq!(get_text(&version, "/timer").await, "5");
    assert_eq!(get_text(&version, "/").await, "1", "a new instance");
}
