//! The guard against a server on loopback: what is refused, what is let through where the operator says so, and
//! what a redirect takes along.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use outbound::{
    HostSet, Lookup, OutboundClient, OutboundConfig, OutboundError, OutboundRequest, RedirectMode,
};
use tokio::net::TcpListener;

/// A name server of its own, which counts what it is asked.
#[derive(Default)]
struct Names {
    addresses: HashMap<&'static str, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Lookup for Names {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let found = self.addresses.get(host.as_str()).cloned();
        self.asked.lock().unwrap().push(host);
        async move { found.ok_or_else(|| std::io::Error::other("no such name")) }.boxed()
    }
}

fn names(entries: &[(&'static str, &[&str])]) -> Arc<Names> {
    let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
    Arc::new(Names {
        addresses: entries.iter().map(|(name, list)| (*name, parse(list))).collect(),
        asked: Mutex::default(),
    })
}

/// Answers `/to?<url>` with a redirect there, `/large` with 100 KB, `/slow` never, and anything else with what it got.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    if let Some(status) = path.strip_prefix("/to/") {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status.parse().unwrap();
        response.headers_mut().insert("location", HeaderValue::from_str(&query).unwrap());
        return Ok(response);
    }
    if path == "/large" {
        return Ok(Response::new(Full::from(vec![b'x'; 100_000])));
    }
    if path == "/slow" {
        std::future::pending::<()>().await;
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut lines = vec![format!("{} {}", parts.method, parts.uri)];
    lines.extend(parts.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
    lines.push(String::from_utf8(body.to_vec()).unwrap());
    Ok(Response::new(Full::from(lines.join("\n"))))
}

async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    address
}

/// `inside.test` and `other.test` are loopback and named by the operator, `sly.test` is loopback and is not.
fn development_client(change: impl FnOnce(&mut OutboundConfig)) -> OutboundClient {
    let mut config = OutboundConfig {
        private_hosts: HostSet::new(["inside.test", "other.test"]),
        ..OutboundConfig::default()
    };
    change(&mut config);
    let names = names(&[
        ("inside.test", &["127.0.0.1"]),
        ("other.test", &["127.0.0.1"]),
        ("sly.test", &["127.0.0.1"]),
    ]);
    OutboundClient::with_lookup(config, names)
}

fn get(url: &str) -> OutboundRequest {
    OutboundRequest::get(url.parse().unwrap())
}

async fn text(client: &OutboundClient, request: OutboundRequest) -> String {
    String::from_utf8(client.send(request).await.unwrap().body.to_vec()).unwrap()
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_however_they_are_spelt() {
    let client = OutboundClient::with_lookup(OutboundConfig::default(), names(&[]));
    let spellings = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.1.",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[fc00::1]",
        "[fd12::1]",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[0:0:0:0:0:ffff:c0a8:0101]",
        "[64:ff9b::a00:1]",
        "１２７.0.0.1",
        "127。0。0。1",
    ];
    for host in spellings {
        let error = client.send(get(&format!("http://{host}/"))).await.unwrap_err();
        assert!(matches!(error, OutboundError::AddressNotPublic { .. }), "{host}: {error:?}");
        assert_eq!(error.code(), "outbound_refused");
    }
}

#[tokio::test]
async fn names_with_private_addresses_are_refused_also_beside_public_ones() {
    let names = names(&[
        ("loopback.test", &["127.0.0.1"]),
        ("mixed.test", &["93.184.216.34", "10.0.0.1"]),
        ("six.test", &["2606:4700::1111", "fe80::1"]),
        ("mapped.test", &["::ffff:192.168.0.1"]),
        ("localhost", &["127.0.0.1", "::1"]),
    ]);
    let client = OutboundClient::with_lookup(OutboundConfig::default(), names);
    for host in ["loopback.test", "mixed.test", "six.test", "mapped.test", "localhost", "LOCALHOST"] {
        let error = client.send(get(&format!("http://{host}/"))).await.unwrap_err();
        assert!(matches!(error, OutboundError::AddressNotPublic { .. }), "{host}: {error:?}");
    }
    let error = client.send(get("http://missing.test/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Lookup { .. }), "{error:?}");
}

#[tokio::test]
async fn a_named_host_may_be_private_and_its_name_is_looked_up_once() {
    let address = server().await;
    let names = names(&[("inside.test", &["127.0.0.1"])]);
    let config = OutboundConfig { private_hosts: HostSet::new(["inside.test"]), ..OutboundConfig::default() };
    let client = OutboundClient::with_lookup(config, Arc::clone(&names) as Arc<dyn Lookup>);
    let url = format!("http://inside.test:{}/a?b=c#part", address.port());
    let heard = text(&client, get(&url)).await;
    assert!(heard.starts_with("GET /a?b=c\n"), "{heard}");
    assert!(heard.contains(&format!("host: inside.test:{}", address.port())), "{heard}");
    assert_eq!(*names.asked.lock().unwrap(), ["inside.test"]);
    let by_address = client.send(get(&format!("http://{address}/"))).await.unwrap_err();
    assert!(matches!(by_address, OutboundError::AddressNotPublic { .. }), "{by_address:?}");
}

#[tokio::test]
async fn redirects_to_private_addresses_are_refused() {
    let port = server().await.port();
    let client = development_client(|_| {});
    let targets = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("//sly.test:{port}/"),
    ];
    for target in targets {
        let error =
            client.send(get(&format!("http://inside.test:{port}/to/302?{target}"))).await.unwrap_err();
        assert!(matches!(error, OutboundError::AddressNotPublic { .. }), "{target}: {error:?}");
    }
    let odd =
        client.send(get(&format!("http://inside.test:{port}/to/302?file:///etc/passwd"))).await.unwrap_err();
    assert_eq!(odd.code(), "outbound_invalid_url");
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let port = server().await.port();
    let client = development_client(|_| {});
    let mut request = get(&format!("http://inside.test:{port}/to/307?http://other.test:{port}/there"));
    for (name, value) in
        [("authorization", "Bearer s"), ("cookie", "a=b"), ("x-api-key", "k"), ("accept", "x/y")]
    {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    let mut same = request.clone();
    let across = text(&client, request).await;
    assert!(across.contains("accept: x/y"), "{across}");
    for secret in ["authorization", "cookie", "x-api-key"] {
        assert!(!across.contains(secret), "{across}");
    }
    same.url = format!("http://inside.test:{port}/to/307?/there").parse().unwrap();
    let within = text(&client, same).await;
    assert!(within.contains("authorization: Bearer s") && within.contains("x-api-key: k"), "{within}");
}

#[tokio::test]
async fn a_redirected_post_becomes_a_get_or_keeps_its_body_as_its_status_says() {
    let port = server().await.port();
    let client = development_client(|_| {});
    for (status, first, last) in
        [(303, "GET /there", ""), (302, "GET /there", ""), (307, "POST /there", "hello")]
    {
        let mut request = get(&format!("http://inside.test:{port}/to/{status}?/there"));
        request.method = http::Method::POST;
        request.body = Bytes::from_static(b"hello");
        let heard = text(&client, request).await;
        assert!(heard.starts_with(first) && heard.ends_with(last), "{status}: {heard}");
    }
}

#[tokio::test]
async fn redirects_are_followed_given_back_or_refused_and_never_endlessly() {
    let port = server().await.port();
    let client = development_client(|config| config.redirects_max = 3);
    let url = format!("http://inside.test:{port}/to/302?/there");
    let followed = client.send(get(&url)).await.unwrap();
    assert!(followed.redirected && followed.url.path() == "/there", "{followed:?}");
    let manual = client.send(OutboundRequest { redirect: RedirectMode::Manual, ..get(&url) }).await.unwrap();
    assert_eq!((manual.status.as_u16(), manual.redirected), (302, false));
    let refused =
        client.send(OutboundRequest { redirect: RedirectMode::Refuse, ..get(&url) }).await.unwrap_err();
    assert_eq!(refused.code(), "outbound_redirect");
    let endless = client.send(get(&format!("http://inside.test:{port}/to/302?"))).await.unwrap_err();
    assert!(matches!(endless, OutboundError::Redirect("there were too many")), "{endless:?}");
}

#[tokio::test]
async fn only_allowed_hosts_are_reached_redirects_included() {
    let port = server().await.port();
    let client = development_client(|_| {});
    let allowed =
        vec![Arc::new(HostSet::new(["*"])), Arc::new(HostSet::new([format!("inside.test:{port}")]))];
    let request = |path: &str| OutboundRequest {
        allowed_hosts: allowed.clone(),
        ..get(&format!("http://inside.test:{port}{path}"))
    };
    client.send(request("/a")).await.unwrap();
    let error = client.send(request(&format!("/to/302?http://other.test:{port}/"))).await.unwrap_err();
    assert!(matches!(&error, OutboundError::HostNotAllowed { host } if host == "other.test"), "{error:?}");
}

#[tokio::test]
async fn size_and_time_are_bounded() {
    let port = server().await.port();
    let client = development_client(|config| {
        config.response_bytes_max = 99_999;
        config.request_bytes_max = 10;
        config.timeout = Duration::from_millis(200);
    });
    let large = client.send(get(&format!("http://inside.test:{port}/large"))).await.unwrap_err();
    assert!(matches!(large, OutboundError::ResponseTooLarge { bytes_max: 99_999 }), "{large:?}");
    let slow = client.send(get(&format!("http://inside.test:{port}/slow"))).await.unwrap_err();
    assert_eq!(slow.code(), "outbound_timeout");
    let mut request = get(&format!("http://inside.test:{port}/"));
    request.body = Bytes::from_static(b"eleven byte");
    assert_eq!(client.send(request).await.unwrap_err().code(), "outbound_too_large");
}

#[tokio::test]
async fn only_http_without_credentials_in_the_url_is_asked_for() {
    let client = development_client(|_| {});
    for url in
        ["ftp://inside.test/", "file:///etc/passwd", "data:text/plain,x", "http://user:secret@inside.test/"]
    {
        let error = client.send(get(url)).await.unwrap_err();
        assert_eq!(error.code(), "outbound_invalid_url", "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
