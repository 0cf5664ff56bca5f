//! Web classes behave as their standards say: each file of `web/` is a list of named claims.

use crate::support::{Bench, get_text};

const FRAME: &str = r#"
const claims = [];
const claim = (name, holds) => claims.push([name, holds]);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const fits = (error, kind) => kind === undefined || (typeof kind === 'string' ? error.name === kind : error instanceof kind);
const throws = (run, kind) => { try { run(); return false } catch (error) { return fits(error, kind) } };
const rejects = async (promise, kind) => { try { await promise; return false } catch (error) { return fits(error, kind) } };
const bytes = (...list) => new Uint8Array(list);
const hex = (data) => [...new Uint8Array(data)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
export default async () => {
    const broken = [];
    for (const [name, holds] of claims) {
        try { if ((await holds()) !== true) broken.push(name) } catch (error) { broken.push(`${name}: ${error.stack}`) }
    }
    return Response.json({ claims: claims.length, broken });
};
"#;

async fn all_hold(area: &str, claims: &str, count: usize) {
    let bench = Bench::start();
    let version = bench.load(area, &format!("{FRAME}\n{claims}")).await;
    let said = get_text(&version, "/").await;
    assert_eq!(said, format!("{{\"claims\":{count},\"broken\":[]}}"), "{area}");
}

#[tokio::test]
async fn headers_hold() {
    all_hold("headers", include_str!("web/headers.js"), 22).await;
}

#[tokio::test]
async fn urls_hold() {
    all_hold("url", include_str!("web/url.js"), 30).await;
}

#[tokio::test]
async fn messages_hold() {
    all_hold("messages", include_str!("web/messages.js"), 44).await;
}

#[tokio::test]
async fn encodings_hold() {
    all_hold("encoding", include_str!("web/encoding.js"), 18).await;
}

#[tokio::test]
async fn crypto_holds() {
    all_hold("crypto", include_str!("web/crypto.js"), 17).await;
}

#[tokio::test]
async fn events_and_timers_hold() {
    all_hold("events", include_str!("web/events.js"), 26).await;
}

#[tokio::test]
async fn language_and_clones_hold() {
    all_hold("language", include_str!("web/language.js"), 18).await;
}
