//! Schemes of signatures: an HMAC-SHA-256 over the body as it came, for most of them behind a name or a time.

use crate::manifest::{Scheme, Verify};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::Deserialize;

/// How far a signed time may be from ours, either way.
pub(super) const TOLERANCE_S: u64 = 300;
/// Signatures of one request: senders give several while they change their secret.
const SIGNATURES_MAX: usize = 8;
/// What a secret of Standard Webhooks begins with.
const WHSEC: &str = "whsec_";

/// What a request says about its signature; nothing of it is proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    scheme: Scheme,
    /// Stands before the body in what is signed.
    prefix: String,
    /// The sender's own name for the event, where it stands in a header and is signed.
    id: Option<String>,
    signatures: Vec<Vec<u8>>,
}

impl Claim {
    /// Reads it; `None` where a part is missing or has another form, or where its time is too far from `now_s`.
    pub(super) fn read(verify: &Verify, headers: &HeaderMap, now_s: i64) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let plain = |signatures| Self { scheme: verify.scheme, prefix: String::new(), id: None, signatures };
        match verify.scheme {
            // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
            Scheme::Github => Some(plain(one(text("x-hub-signature-256")?.strip_prefix("sha256=")?)?)),
            Scheme::HmacSha256 => {
                let signature = text(verify.header.as_deref()?)?;
                Some(plain(one(signature.strip_prefix("sha256=").unwrap_or(signature))?))
            }
            // https://docs.slack.dev/authentication/verifying-requests-from-slack
            Scheme::Slack => {
                let at = fresh(text("x-slack-request-timestamp")?, now_s)?;
                let signatures = one(text("x-slack-signature")?.strip_prefix("v0=")?)?;
                Some(Self { prefix: format!("v0:{at}:"), ..plain(signatures) })
            }
            Scheme::Stripe => {
                let (prefix, signatures) = stripe(text("stripe-signature")?, now_s)?;
                Some(Self { prefix, ..plain(signatures) })
            }
            // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
            Scheme::StandardWebhooks => {
                let (id, at) = (text("webhook-id")?, fresh(text("webhook-timestamp")?, now_s)?);
                let listed =
                    text("webhook-signature")?.split(' ').filter_map(|part| part.strip_prefix("v1,"));
                let signatures = listed.filter_map(|part| STANDARD.decode(part).ok()).take(SIGNATURES_MAX);
                let signed = Self { prefix: format!("{id}.{at}."), ..plain(signatures.collect()) };
                Some(Self { id: Some(id.to_owned()), ..signed })
            }
            Scheme::Custom => None,
        }
    }

    /// Whether the body is signed with the key. Signatures are compared in constant time.
    pub(super) fn holds(&self, key: &hmac::Key, body: &[u8]) -> bool {
        let signed = [self.prefix.as_bytes(), body].concat();
        self.signatures.iter().any(|signature| hmac::verify(key, &signed, signature).is_ok())
    }

    /// What names the event of a request whose signature holds: the sender's id, which is the same when it sends the
    /// event again, else the signed time and the body. `None` for schemes that sign neither: two requests with the
    /// same body may be two events there.
    pub(super) fn event(&self, body: &[u8]) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(alias = "event_id")]
            id: String,
        }
        if self.prefix.is_empty() {
            return None;
        }
        let in_body = || Some(serde_json::from_slice::<Named>(body).ok()?.id);
        let named = self.id.clone().or_else(in_body);
        let digest = || {
            let signed = [self.prefix.as_bytes(), body].concat();
            hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &signed))
        };
        Some(named.unwrap_or_else(digest))
    }
}

/// The key of a secret; `None` where the secret has not the form of the scheme.
pub(super) fn key(scheme: Scheme, secret: &[u8]) -> Option<hmac::Key> {
    let bytes = match scheme {
        Scheme::StandardWebhooks => {
            let text = std::str::from_utf8(secret).ok()?;
            STANDARD.decode(text.strip_prefix(WHSEC).unwrap_or(text)).ok()?
        }
        _ => secret.to_vec(),
    };
    // Anybody could sign with an empty one.
    (!bytes.is_empty()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// `t=1492774577,v1=…,v1=…,v0=…` (<https://docs.stripe.com/webhooks/signature>).
fn stripe(header: &str, now_s: i64) -> Option<(String, Vec<Vec<u8>>)> {
    let field = |name| header.split(',').filter_map(move |part| part.trim().strip_prefix(name));
    let at = fresh(field("t=").next()?, now_s)?;
    let signatures = field("v1=").filter_map(|part| hex::decode(part).ok()).take(SIGNATURES_MAX);
    Some((format!("{at}."), signatures.collect()))
}

fn one(signature: &str) -> Option<Vec<Vec<u8>>> {
    Some(vec![hex::decode(signature).ok()?])
}

/// Seconds since 1970, as they were written, that are near enough to now.
fn fresh(text: &str, now_s: i64) -> Option<&str> {
    let at: i64 = text.parse().ok()?;
    (at.abs_diff(now_s) <= TOLERANCE_S).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn verify(scheme: Scheme) -> Verify {
        let header = (scheme == Scheme::HmacSha256).then(|| "X-Signed".to_owned());
        Verify { scheme, secret: "s".to_owned(), header }
    }

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        };
        list.iter().map(header).collect()
    }

    /// A request that is right at a time, with its secret.
    struct Vector {
        scheme: Scheme,
        secret: &'static str,
        at_s: i64,
        headers: HeaderMap,
        body: &'static str,
    }

    /// Those of GitHub and Slack are the examples of their documentation; the others were calculated apart from this
    /// code, that of Standard Webhooks with the secret and the id of its example.
    fn vectors() -> [Vector; 5] {
        let slack = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        [
            Vector {
                scheme: Scheme::Github,
                secret: "It's a Secret to Everybody",
                at_s: 0,
                headers: headers(&[(
                    "X-Hub-Signature-256",
                    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                )]),
                body: "Hello, World!",
            },
            Vector {
                scheme: Scheme::Slack,
                secret: "8f742231b10e8888abcd99yyyzzz85a5",
                at_s: 1_531_420_618,
                headers: headers(&[
                    ("X-Slack-Request-Timestamp", "1531420618"),
                    (
                        "X-Slack-Signature",
                        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                    ),
                ]),
                body: slack,
            },
            Vector {
                scheme: Scheme::StandardWebhooks,
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                at_s: 1_614_265_330,
                headers: headers(&[
                    ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                    ("webhook-timestamp", "1614265330"),
                    ("webhook-signature", "v1,AAAA v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                ]),
                body: r#"{"test": 2432232314}"#,
            },
            Vector {
                scheme: Scheme::Stripe,
                secret: "whsec_test_secret",
                at_s: 1_700_000_000,
                headers: headers(&[(
                    "Stripe-Signature",
                    "t=1700000000, v1=00,v1=248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a,v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
                )]),
                body: r#"{"id":"evt_1"}"#,
            },
            Vector {
                scheme: Scheme::HmacSha256,
                secret: "key",
                at_s: 0,
                headers: headers(&[(
                    "X-Signed",
                    "105f53bf3b432ed2e10c1a2f4f0cdc165d1ecdcf1412664224a905f19651c2b2",
                )]),
                body: r#"{"n":1}"#,
            },
        ]
    }

    #[test]
    fn only_the_body_that_was_signed_with_the_secret_holds() {
        for Vector { scheme, secret, at_s, headers, body } in vectors() {
            let claim = Claim::read(&verify(scheme), &headers, at_s + 300).unwrap();
            let right = key(scheme, secret.as_bytes()).unwrap();
            assert!(claim.holds(&right, body.as_bytes()), "{scheme:?}");
            assert!(!claim.holds(&right, format!("{body} ").as_bytes()), "{scheme:?}");
            let wrong = key(scheme, b"YW5vdGhlcg==").unwrap();
            assert!(!claim.holds(&wrong, body.as_bytes()), "{scheme:?}");
            assert_eq!(Claim::read(&verify(scheme), &HeaderMap::new(), at_s), None, "{scheme:?}");
            assert!(key(scheme, b"").is_none());
        }
    }

    #[test]
    fn what_was_signed_too_long_ago_or_ahead_is_not_read() {
        for Vector { scheme, at_s, headers, .. } in vectors().into_iter().filter(|vector| vector.at_s > 0) {
            for now_s in [at_s + 301, at_s - 301] {
                assert_eq!(Claim::read(&verify(scheme), &headers, now_s), None, "{scheme:?}");
            }
        }
    }

    #[test]
    fn a_hex_signature_may_stand_behind_its_algorithm() {
        let signed = vectors().into_iter().find(|vector| vector.scheme == Scheme::HmacSha256).unwrap();
        let behind = format!("sha256={}", signed.headers["x-signed"].to_str().unwrap());
        let claim = Claim::read(&verify(signed.scheme), &headers(&[("x-signed", &behind)]), 0).unwrap();
        assert!(claim.holds(&key(signed.scheme, b"key").unwrap(), signed.body.as_bytes()));
    }

    #[test]
    fn an_event_is_named_by_its_sender() {
        let named = |scheme: Scheme, body: &str| {
            let vector = vectors().into_iter().find(|vector| vector.scheme == scheme).unwrap();
            Claim::read(&verify(scheme), &vector.headers, vector.at_s).unwrap().event(body.as_bytes())
        };
        assert_eq!(named(Scheme::StandardWebhooks, "{}").unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(named(Scheme::Stripe, r#"{"id":"evt_1","n":2}"#).unwrap(), "evt_1");
        assert_eq!(named(Scheme::Slack, r#"{"event_id":"Ev1"}"#).unwrap(), "Ev1");
        assert_ne!(named(Scheme::Slack, "a=1"), named(Scheme::Slack, "a=2"));
        assert_eq!(named(Scheme::Github, r#"{"id":"x"}"#), None);
    }
}
