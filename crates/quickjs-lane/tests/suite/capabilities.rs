//! What is off unless it is declared, and what it is when it is on.

use quickjs_lane::{Capabilities, LaneSpec};

use crate::support::{Bench, get_text, web_server};

const FETCHING: &str = "export default async (req) => {
    const target = new URL(req.url).searchParams.get('to');
    try {
        const response = await fetch(target, { method: 'POST', body: 'hello', headers: { 'x-from': 'lane' } });
        return Response.json({ status: response.status, from: response.headers.get('x-from'),
            cookies: response.headers.getSetCookie(), url: response.url, redirected: response.redirected, text: await response.text() });
    } catch (error) { return new Response(error.name + ': ' + error.message) }
}";

fn networked(spec: &mut LaneSpec) {
    spec.capabilities.allow_network = true;
}

#[tokio::test]
async fn fetch_is_off_unless_it_is_declared() {
    let bench = Bench::start();
    let version = bench.load("off", FETCHING).await;
    let said = get_text(&version, "/?to=http://inside.test/").await;
    assert_eq!(said, "TypeError: fetch is not allowed: declare the capability allow_network");
}

#[tokio::test]
async fn fetch_reaches_other_hosts_through_the_guard() {
    let bench = Bench::start();
    let port = web_server().await;
    let version = bench.load_with("on", FETCHING, networked).await;
    let said = get_text(&version, &format!("/?to=http://inside.test:{port}/there")).await;
    assert!(said.contains(r#""status":200,"from":"server","cookies":["a=1","b=2"]"#), "{said}");
    assert!(
        said.contains("POST /there HTTP/1.1") && said.contains("x-from: lane") && said.contains("hello"),
        "{said}"
    );
    let private = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://sly.test:{port}/"),
        format!("http://inside.test:{port}/to?http://127.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ];
    for target in private {
        let said = get_text(&version, &format!("/?to={target}")).await;
        assert!(said.starts_with("TypeError: fetch failed (outbound_refused)"), "{target}: {said}");
    }
}

#[tokio::test]
async fn only_allowed_domains_are_reached() {
    let bench = Bench::start();
    let port = web_server().await;
    let version = bench
        .load_with("domains", FETCHING, |spec| {
            networked(spec);
            spec.capabilities.allowed_domains = Some(vec!["inside.test".to_owned()]);
        })
        .await;
    let inside = get_text(&version, &format!("/?to=http://inside.test:{port}/")).await;
    assert!(inside.contains(r#""status":200"#), "{inside}");
    for target in [
        format!("http://other.test:{port}/"),
        format!("http://inside.test:{port}/to?http://other.test:{port}/"),
    ] {
        let said = get_text(&version, &format!("/?to={target}")).await;
        assert!(said.contains("requests to other.test are not allowed"), "{said}");
    }
}

#[tokio::test]
async fn the_allowed_hosts_of_the_function_hold_too() {
    let bench = Bench::start();
    let port = web_server().await;
    let version = bench
        .load_with("hosts", FETCHING, |spec| {
            networked(spec);
            spec.version.settings.allowed_hosts = Some(vec![format!("inside.test:{port}")]);
        })
        .await;
    let inside = get_text(&version, &format!("/?to=http://inside.test:{port}/")).await;
    assert!(inside.contains(r#""status":200"#), "{inside}");
    for target in [format!("http://other.test:{port}/"), "http://inside.test:1/".to_owned()] {
        let said = get_text(&version, &format!("/?to={target}")).await;
        assert!(said.contains("are not allowed; add it to the allowed hosts"), "{said}");
    }
}

#[tokio::test]
async fn a_fetch_can_be_aborted() {
    let bench = Bench::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let source = "export default async (req) => {
        const target = new URL(req.url).searchParams.get('to');
        try { await fetch(target, { signal: AbortSignal.timeout(20) }) } catch (error) { return new Response(error.name) }
    }";
    let version = bench.load_with("aborts", source, networked).await;
    assert_eq!(get_text(&version, &format!("/?to=http://inside.test:{port}/")).await, "TimeoutError");
    drop(listener);
}

#[tokio::test]
async fn eval_is_off_unless_it_is_declared() {
    let bench = Bench::start();
    let source = "export default () => {
        const tries = [() => eval('1 + 1'), () => new Function('return 2')(), () => (0, eval)('2'), () => (async () => {}).constructor('return 2')];
        return new Response(tries.map((attempt) => { try { return typeof attempt() } catch (error) { return 'refused' } }).join());
    }";
    let strict = bench.load("strict", source).await;
    assert_eq!(get_text(&strict, "/").await, "refused,refused,refused,refused");
    let permissive =
        bench.load_with("permissive", source, |spec| spec.capabilities = Capabilities::permissive()).await;
    assert_eq!(get_text(&permissive, "/").await, "number,number,number,function");
}

#[tokio::test]
async fn nothing_of_the_server_can_be_named() {
    let bench = Bench::start();
    let source = "export default async () => {
        const names = ['require', 'Bun', 'Deno', 'std', 'os', 'scriptArgs', 'print', 'native', '__native', 'open', 'pending'];
        const found = names.filter((name) => name in globalThis);
        for (const module of ['std', 'os', 'node:fs', 'fs', '/etc/passwd'])
            try { await import(module); found.push(module) } catch {}
        const runtime = await import('bunbase:runtime').catch(() => ({}));
        for (const name of Object.keys(runtime)) try { runtime[name]({}, []); found.push(name) } catch {}
        return Response.json([found, Object.keys(process), Object.keys(globalThis)]);
    }";
    let version = bench.load("nothing", source).await;
    assert_eq!(get_text(&version, "/").await, r#"[[],["env"],[]]"#);
}

#[tokio::test]
async fn instances_share_nothing() {
    let bench = Bench::start();
    let spoil = "Array.prototype.map = () => 'spoiled'; globalThis.left = 1; Response.json = () => new Response('spoiled');
        export default () => Response.json([])";
    let look = "export default () => Response.json([[1].map((x) => x), typeof left])";
    let spoiled = bench.load("spoil", spoil).await;
    assert_eq!(get_text(&spoiled, "/").await, "spoiled");
    let looking = bench.load("look", look).await;
    assert_eq!(get_text(&looking, "/").await, r#"[[1],"undefined"]"#);
}
