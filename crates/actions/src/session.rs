//! The token of a session and its cookie. A token is `base64url(JSON {sid, uid, iat, exp})` `.` `base64url(mac)`, with
//! the HMAC-SHA256 of the first part's text; `iat` and `exp` are seconds. What it says holds only while the row of
//! the session in `sessions` does (`identity.rs`).

use crate::spec::{AuthSpec, SessionSecrets};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::{HeaderMap, HeaderValue, header};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

/// Bytes of a token; no other is looked at.
const TOKEN_BYTES_MAX: usize = 1_024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The session.
    pub(crate) sid: String,
    /// Its user.
    pub(crate) uid: String,
    /// When the token was made.
    pub(crate) iat: i64,
    /// When it ends.
    pub(crate) exp: i64,
}

impl Claims {
    /// The token has not ended.
    pub(crate) fn holds(&self, now_ms: i64) -> bool {
        now_ms / 1_000 < self.exp
    }
}

/// Signs tokens and writes their cookies.
pub(crate) struct Tokens {
    /// The one that signs, then those that it replaced.
    keys: Vec<hmac::Key>,
    lifetime_s: i64,
    cookie: String,
    secure: Option<bool>,
}

impl Tokens {
    pub(crate) fn new(secrets: &SessionSecrets, auth: &AuthSpec) -> Self {
        let key = |secret: &secrecy::SecretString| {
            hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
        };
        Self {
            keys: secrets.0.iter().map(key).collect(),
            lifetime_s: i64::from(auth.expires_in_s),
            cookie: auth.cookie.name.clone(),
            secure: auth.cookie.secure,
        }
    }

    pub(crate) fn lifetime_ms(&self) -> i64 {
        self.lifetime_s * 1_000
    }

    /// A token for a session from now on; nothing where the application has no secret.
    pub(crate) fn sign(&self, session_id: &str, user_id: &str, now_ms: i64) -> Option<String> {
        let iat = now_ms / 1_000;
        let claims =
            Claims { sid: session_id.to_owned(), uid: user_id.to_owned(), iat, exp: iat + self.lifetime_s };
        let mut token = BASE64.encode(serde_json::to_vec(&claims).ok()?);
        let mac = hmac::sign(self.keys.first()?, token.as_bytes());
        token.push('.');
        BASE64.encode_string(mac, &mut token);
        Some(token)
    }

    /// What a token says that one of the keys signed and that has not ended; compared in constant time.
    pub(crate) fn verify(&self, token: &str, now_ms: i64) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (payload, mac) = token.split_once('.')?;
        let mac = BASE64.decode(mac).ok()?;
        self.keys.iter().find(|key| hmac::verify(key, payload.as_bytes(), &mac).is_ok())?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
        claims.holds(now_ms).then_some(claims)
    }

    /// Less than half of the token's life is left.
    pub(crate) fn is_due(&self, claims: &Claims, now_ms: i64) -> bool {
        (claims.exp - now_ms / 1_000) * 2 < self.lifetime_s
    }

    /// Tokens in the cookies of a request.
    pub(crate) fn in_cookies<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        cookies(headers).filter(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    /// `Set-Cookie` for a token; one that is empty removes the cookie.
    pub(crate) fn set_cookie(&self, token: &str, is_secure: bool) -> Option<HeaderValue> {
        let max_age = if token.is_empty() { 0 } else { self.lifetime_s };
        let secure = if self.secure.unwrap_or(is_secure) { "; Secure" } else { "" };
        let text =
            format!("{}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", self.cookie);
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Names and values of cookies as they came (RFC 6265 §5.4).
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.trim_end(), value.trim_start().trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    const NOW: i64 = 1_700_000_000_000;

    fn tokens(secrets: &[&str]) -> Tokens {
        let secrets = SessionSecrets(secrets.iter().map(|secret| SecretString::from(*secret)).collect());
        Tokens::new(&secrets, &AuthSpec::default())
    }

    #[test]
    fn a_token_is_verified_by_the_key_that_made_it_and_by_no_other() {
        let old = tokens(&["old"]).sign("s", "u", NOW).unwrap();
        let claims = tokens(&["new", "old"]).verify(&old, NOW).unwrap();
        assert_eq!((claims.sid.as_str(), claims.uid.as_str()), ("s", "u"));
        assert!(tokens(&["new"]).verify(&old, NOW).is_none() && tokens(&[]).verify(&old, NOW).is_none());
        assert!(
            tokens(&["new", "old"]).verify(&tokens(&["new"]).sign("s", "u", NOW).unwrap(), NOW).is_some()
        );
        assert!(tokens(&[]).sign("s", "u", NOW).is_none());
    }

    #[test]
    fn it_ends_and_is_renewed_when_less_than_half_is_left() {
        let tokens = tokens(&["key"]);
        let token = tokens.sign("s", "u", NOW).unwrap();
        let half = tokens.lifetime_ms() / 2;
        let claims = tokens.verify(&token, NOW + half).unwrap();
        assert!(!tokens.is_due(&claims, NOW + half) && tokens.is_due(&claims, NOW + half + 1_000));
        assert!(tokens.verify(&token, NOW + 2 * half - 1).is_some());
        assert!(tokens.verify(&token, NOW + 2 * half).is_none());
    }

    #[test]
    fn the_cookie_has_its_attributes() {
        let cookie = |tokens: &Tokens, token, is_secure| {
            tokens.set_cookie(token, is_secure).unwrap().to_str().unwrap().to_owned()
        };
        let mut tokens = tokens(&["key"]);
        assert_eq!(
            cookie(&tokens, "a.b", true),
            "bunbase_session=a.b; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(cookie(&tokens, "", false), "bunbase_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        tokens.secure = Some(false);
        assert!(!cookie(&tokens, "a", true).contains("Secure"));
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("x=1; bunbase_session=a.b;bunbase_session=\"c\""));
        assert_eq!(tokens.in_cookies(&headers).collect::<Vec<_>>(), ["a.b", "c"]);
    }

    proptest::proptest! {
        #[test]
        fn no_changed_token_is_taken(at in 0_usize..200, with in 0_u8..128) {
            let tokens = tokens(&["key"]);
            let mut token = tokens.sign("s", "u", NOW).unwrap().into_bytes();
            let at = at % token.len();
            let is_same = token[at] == with;
            token[at] = with;
            let verified = tokens.verify(std::str::from_utf8(&token).unwrap(), NOW);
            proptest::prop_assert!(is_same || verified.is_none());
        }
    }
}
