//! Bodies in pieces, both ways, and callers that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use worker_pool::{InvokeResponse, RequestBody};

use crate::support::{Bench, PATIENCE, call, get, get_text, post, text, until};

const MEBIBYTE: usize = 1024 * 1024;

#[tokio::test]
async fn large_bodies_go_through_whole_and_in_pieces() {
    let bench = Bench::start().await;
    let source = "export default async (req) => new Response(
        new URL(req.url).pathname === '/stream' ? req.body : await req.arrayBuffer(), { headers: { 'x-a': 'b' } })";
    let version = bench.load("echo", source).await;
    let sent: Bytes = (0..5 * MEBIBYTE).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    for path in ["/whole", "/stream"] {
        let pieces: Vec<_> = sent.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        for body in [RequestBody::Full(sent.clone()), RequestBody::Stream(stream::iter(pieces).boxed())] {
            let response = call(&version, post(path, body)).await.unwrap();
            assert_eq!(response.headers["x-a"], "b");
            let body = tokio::time::timeout(PATIENCE, response.body.collect()).await.expect("a body hangs");
            let received = body.unwrap().to_bytes();
            assert!(received == sent, "{path}: {} bytes", received.len());
        }
    }
}

#[tokio::test]
async fn a_large_light_response_is_streamed() {
    let bench = Bench::start().await;
    let version = bench.load("big", "export default () => new Response('ä'.repeat(1e6))").await;
    assert_eq!(get_text(&version, "/").await, "ä".repeat(1_000_000));
}

#[tokio::test]
async fn a_request_body_is_read_only_as_fast_as_the_handler_reads() {
    let bench = Bench::start().await;
    let source = "let go; export default async (req) => {
        if (new URL(req.url).pathname === '/go') { go(); return new Response() }
        await new Promise((done) => { go = done });
        let size = 0; for await (const chunk of req.body) size += chunk.length;
        return new Response(String(size));
    }";
    let version = bench.load_with("slow", source, |settings| settings.max_workers = 1).await;
    let polled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polled);
    let chunk = Bytes::from(vec![1; 32 * 1024]);
    let endless = stream::iter(0..1024).map(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(chunk.clone())
    });
    let upload = tokio::spawn({
        let version = Arc::clone(&version);
        async move { text(call(&version, post("/", RequestBody::Stream(endless.boxed()))).await.unwrap()).await }
    });
    until(|| polled.load(Ordering::SeqCst) > 0).await;
    // While the handler reads nothing, calls beside it work, and the source is not drawn further than a window.
    for _ in 0..20 {
        let other = get("/other");
        drop(version.invoke(other));
    }
    until(|| polled.load(Ordering::SeqCst) >= 8).await;
    get_text(&version, "/go").await;
    let before_go = polled.load(Ordering::SeqCst);
    assert_eq!(upload.await.unwrap(), (1024 * 32 * 1024).to_string());
    assert!(before_go < 100, "{before_go} chunks were read for a handler that read none");
}

async fn next_chunk(response: &mut InvokeResponse) -> Option<Bytes> {
    let frame = tokio::time::timeout(PATIENCE, response.body.frame()).await.expect("a chunk never came")?;
    Some(frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn a_slow_reader_holds_the_handler_back_and_its_end_aborts_the_signal() {
    let bench = Bench::start().await;
    let source = "let made = 0, aborted = '', cancelled = 0; export default (req) => {
        if (new URL(req.url).pathname === '/state') return Response.json([made, aborted, cancelled]);
        req.signal.addEventListener('abort', () => { aborted = req.signal.reason.name });
        const pull = (controller) => { made += 1; controller.enqueue(new Uint8Array(16384)) };
        return new Response(new ReadableStream({ pull, cancel() { cancelled += 1 } }));
    }";
    let version = bench.load_with("endless", source, |settings| settings.max_workers = 1).await;
    let mut response = call(&version, get("/stream")).await.unwrap();
    let mut read = 0;
    while read < MEBIBYTE {
        read += next_chunk(&mut response).await.unwrap().len();
    }
    let state: (usize, String, usize) = serde_json::from_str(&get_text(&version, "/state").await).unwrap();
    let made_bytes = state.0 * 16384;
    assert!(made_bytes <= read + 512 * 1024, "{made_bytes} bytes were made for a reader of {read}");
    assert_eq!((state.1.as_str(), state.2), ("", 0));
    assert_eq!(version.stats().in_flight, 1);
    drop(response);
    until(|| version.stats().in_flight == 0).await;
    let state: (usize, String, usize) = serde_json::from_str(&get_text(&version, "/state").await).unwrap();
    assert_eq!((state.1.as_str(), state.2), ("AbortError", 1));
}

#[tokio::test]
async fn a_caller_that_goes_away_before_the_response_aborts_the_signal() {
    let bench = Bench::start().await;
    let source = "export default async (req) => {
        console.log('entered');
        await new Promise((done) => req.signal.addEventListener('abort', done));
        console.log('aborted', req.signal.reason.name);
        return new Response();
    }";
    let version = bench.load("gone", source).await;
    let caller = tokio::spawn({
        let version = Arc::clone(&version);
        async move { version.invoke(get("/")).await.map(drop) }
    });
    bench.host.line(|line| line.message == "entered").await;
    caller.abort();
    bench.host.line(|line| line.message == "aborted AbortError").await;
    until(|| version.stats().in_flight == 0).await;
}

#[tokio::test]
async fn events_arrive_one_by_one_before_the_response_ends() {
    let bench = Bench::start().await;
    let source = "let next; export default (req) => {
        if (new URL(req.url).pathname === '/next') { next(); return new Response() }
        return new Response(new ReadableStream({ async start(controller) {
            for (const text of ['one', 'two']) {
                controller.enqueue(new TextEncoder().encode(text));
                await new Promise((done) => { next = done });
            }
            controller.close();
        } }), { headers: { 'content-type': 'text/event-stream' } });
    }";
    let version = bench.load_with("sse", source, |settings| settings.max_workers = 1).await;
    let mut response = call(&version, get("/events")).await.unwrap();
    for text in ["one", "two"] {
        assert_eq!(next_chunk(&mut response).await.unwrap(), text);
        get_text(&version, "/next").await;
    }
    assert_eq!(next_chunk(&mut response).await, None);
}

#[tokio::test]
async fn a_response_stream_that_fails_breaks_off_and_is_logged() {
    let bench = Bench::start().await;
    let source = "export default () => new Response(new ReadableStream({ pull(controller) {
        if (this.sent) throw new Error('midway'); this.sent = true; controller.enqueue(new Uint8Array(3)) } }))";
    let version = bench.load("breaks", source).await;
    let response = call(&version, get("/")).await.unwrap();
    assert_eq!(response.status, 200);
    let error = response.body.collect().await.unwrap_err();
    let line = bench.host.line(|line| line.message.contains("midway")).await;
    let error_id = line.message.split([' ', ':']).nth(1).unwrap();
    assert!(error.to_string().contains(error_id), "{error}");
}

#[tokio::test]
async fn a_request_body_that_breaks_off_is_an_error_for_its_reader() {
    let bench = Bench::start().await;
    let source = "export default async (req) => {
        try { await req.text(); return new Response('read') } catch (error) { return new Response(error.message) } }";
    let version = bench.load("torn", source).await;
    let pieces = vec![Ok(Bytes::from_static(b"abc")), Err("connection reset".into())];
    let request = post("/", RequestBody::Stream(stream::iter(pieces).boxed()));
    assert_eq!(text(call(&version, request).await.unwrap()).await, "the request body ended early");
}

#[tokio::test]
async fn a_streamed_body_that_nobody_reads_does_not_hold_the_call() {
    let bench = Bench::start().await;
    let version = bench.load("ignores", "export default () => new Response('done')").await;
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 4096]))).boxed();
    let response = call(&version, post("/", RequestBody::Stream(endless))).await.unwrap();
    assert_eq!(text(response).await, "done");
    until(|| version.stats().in_flight == 0).await;
}

#[tokio::test]
async fn a_stream_of_text_and_of_any_bytes_is_sent() {
    let bench = Bench::start().await;
    let source = "const chunks = {
        '/text': ['hello ', 'wörld'],
        '/bytes': [new Uint8Array([97]), new Uint16Array([0x6362]), new Uint8Array([100]).buffer],
        '/number': [5],
    };
    export default (req) => new Response(new ReadableStream({ start(controller) {
        for (const chunk of chunks[new URL(req.url).pathname]) controller.enqueue(chunk);
        controller.close();
    } }))";
    let version = bench.load("mixed", source).await;
    assert_eq!(get_text(&version, "/text").await, "hello wörld");
    assert_eq!(get_text(&version, "/bytes").await, "abcd");
    let broken = call(&version, get("/number")).await.unwrap();
    assert!(broken.body.collect().await.is_err());
}
