//! Refresh tokens, session cookies and the tokens of links. None is stored: each is authenticated with
//! HMAC-SHA-256 (RFC 2104) under a secret of the project, so that a forged one is told from a used one
//! without a look at the store, and the child of a refresh token can be given again.
//!
//! A refresh token names its session and its generation; the session keeps which generation is the live
//! one. So an old token of a family is known as such for ever, and nobody else can make one.

use aws_lc_rs::hmac;
use service_kit::ids::{EndUserId, EndUserSessionId};
use subtle::ConstantTimeEq;

const REFRESH: &str = "etr";
const COOKIE: &str = "ets";
const LINK: &str = "etl";

/// The project's secret under which its tokens are made.
pub(crate) struct TokenSecret(hmac::Key);

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    VerifyEmail,
    ResetPassword,
}

impl Purpose {
    /// The purpose as the link names it to the page it leads to.
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_user_password",
        }
    }
}

impl TokenSecret {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The refresh token of one generation of a session.
    pub(crate) fn refresh(&self, session: &EndUserSessionId, generation: i64) -> String {
        self.token(REFRESH, &format!("{}_{generation}", bare(session.as_str())), "")
    }

    /// The session and generation of a refresh token made here.
    pub(crate) fn read_refresh(&self, text: &str) -> Option<(EndUserSessionId, i64)> {
        let (session, rest) = text.strip_prefix(REFRESH)?.strip_prefix('_')?.split_once('_')?;
        let session = session_id(session)?;
        let generation = rest.split_once('_')?.0.parse().ok()?;
        same(text, &self.refresh(&session, generation)).then_some((session, generation))
    }

    /// The token of a session for the cookie.
    pub(crate) fn cookie(&self, session: &EndUserSessionId) -> String {
        self.token(COOKIE, bare(session.as_str()), "")
    }

    /// The session of a cookie made here.
    pub(crate) fn read_cookie(&self, text: &str) -> Option<EndUserSessionId> {
        let session = session_id(text.strip_prefix(COOKIE)?.strip_prefix('_')?.split_once('_')?.0)?;
        same(text, &self.cookie(&session)).then_some(session)
    }

    /// The token of a link: bound to the user, the address it is sent to, and `nonce`, which is new for
    /// each link.
    pub(crate) fn link(&self, purpose: Purpose, user: &EndUserId, binding: LinkBinding<'_>) -> String {
        let bound = format!("{}\0{}\0{}", purpose.mode(), binding.nonce, binding.email);
        self.token(LINK, bare(user.as_str()), &bound)
    }

    /// Whether `text` is that token.
    pub(crate) fn is_link(
        &self,
        text: &str,
        purpose: Purpose,
        user: &EndUserId,
        binding: LinkBinding<'_>,
    ) -> bool {
        same(text, &self.link(purpose, user, binding))
    }

    fn token(&self, kind: &str, shown: &str, bound: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{kind}\0{shown}\0{bound}").as_bytes());
        format!("{kind}_{shown}_{}", hex::encode(tag))
    }
}

/// What the token of a link is bound to besides the user.
#[derive(Clone, Copy)]
pub(crate) struct LinkBinding<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) email: &'a str,
}

/// The user that the token of a link says it is for; whether it is, `is_link` says.
pub(crate) fn link_user(text: &str) -> Option<EndUserId> {
    let (user, _) = text.strip_prefix(LINK)?.strip_prefix('_')?.split_once('_')?;
    EndUserId::parse(&format!("{}_{user}", EndUserId::PREFIX)).ok()
}

/// An id without its prefix.
fn bare(id: &str) -> &str {
    id.split_once('_').map_or(id, |(_, bare)| bare)
}

fn session_id(bare: &str) -> Option<EndUserSessionId> {
    EndUserSessionId::parse(&format!("{}_{bare}", EndUserSessionId::PREFIX)).ok()
}

fn same(text: &str, made: &str) -> bool {
    text.as_bytes().ct_eq(made.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_where_they_were_made_and_nowhere_else() {
        let (ours, others) = (TokenSecret::new(&[1; 32]), TokenSecret::new(&[2; 32]));
        let session = EndUserSessionId::generate();
        let (refresh, cookie) = (ours.refresh(&session, 7), ours.cookie(&session));
        assert_eq!(ours.read_refresh(&refresh), Some((session.clone(), 7)));
        assert_eq!(ours.read_cookie(&cookie), Some(session));
        assert_eq!(others.read_refresh(&refresh), None);
        assert_eq!(others.read_cookie(&cookie), None);
        assert_eq!(ours.read_refresh(&cookie), None);
        assert_eq!(ours.read_cookie(&refresh), None);
        let older = refresh.replace("_7_", "_6_");
        for forged in [older.as_str(), "", "etr", "etr_", "etr__", "etr_1_2_3", &format!("{refresh}0")] {
            assert_eq!(ours.read_refresh(forged), None, "{forged}");
        }
    }

    #[test]
    fn a_link_is_bound_to_purpose_address_and_nonce() {
        let secret = TokenSecret::new(&[1; 32]);
        let user = EndUserId::generate();
        let bound = |nonce, email| LinkBinding { nonce, email };
        let token = secret.link(Purpose::VerifyEmail, &user, bound("n", "a@b.c"));
        assert_eq!(link_user(&token), Some(user.clone()));
        assert!(secret.is_link(&token, Purpose::VerifyEmail, &user, bound("n", "a@b.c")));
        assert!(!secret.is_link(&token, Purpose::ResetPassword, &user, bound("n", "a@b.c")));
        assert!(!secret.is_link(&token, Purpose::VerifyEmail, &user, bound("m", "a@b.c")));
        assert!(!secret.is_link(&token, Purpose::VerifyEmail, &user, bound("n", "x@b.c")));
    }
}
