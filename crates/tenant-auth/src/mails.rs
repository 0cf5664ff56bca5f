//! The mails to end users. What must hold: a link begins with the project's `site_url` or the server's
//! public address, never with what a request says; nothing that a user typed stands in a mail.

use crate::project_config::ProjectConfig;
use crate::service::TenantAuthService;
use crate::tokens::Purpose;
use mail::Mail;
use service_kit::ids::ProjectId;

/// Why somebody gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A new account, or a wish to verify the address.
    Verify,
    /// The password was forgotten.
    Forgot,
    /// Somebody registered with an address that has an account.
    RegisteredAgain,
}

impl Reason {
    /// What the link in the mail is for.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::Verify => Purpose::VerifyEmail,
            Self::Forgot | Self::RegisteredAgain => Purpose::ResetPassword,
        }
    }

    fn subject(self) -> &'static str {
        match self {
            Self::Verify => "Verify your e-mail address",
            Self::Forgot => "Reset your password",
            Self::RegisteredAgain => "You already have an account",
        }
    }

    fn text(self, link: &str) -> String {
        match self {
            Self::Verify => format!(
                "Please verify this e-mail address by opening this link within 24 hours:\n\n{link}\n\n\
                 If you did not ask for an account, ignore this mail.\n"
            ),
            Self::Forgot => format!(
                "Set a new password by opening this link within one hour:\n\n{link}\n\n\
                 If you did not ask for it, ignore this mail; your password stays as it is.\n"
            ),
            Self::RegisteredAgain => format!(
                "Somebody registered with this e-mail address, which has an account already. Nothing was \
                 changed. If it was you, sign in with the password that you have, or set a new one by opening \
                 this link within one hour:\n\n{link}\n\n\
                 If it was not you, ignore this mail.\n"
            ),
        }
    }
}

impl TenantAuthService {
    /// The link that leads to the page for `purpose`. The token stands behind `#`, so that it reaches no
    /// server's log.
    fn link(&self, project: &ProjectId, config: &ProjectConfig, purpose: Purpose, token: &str) -> String {
        let page = match &config.site_url {
            Some(site_url) => site_url.clone(),
            None => format!("{}/auth/action", self.public_url),
        };
        format!("{page}#mode={}&project={project}&token={token}", purpose.mode())
    }

    /// Puts a mail into the queue. A mail that is not taken is logged and told to nobody: the answer would
    /// say whether there is an account.
    pub(crate) fn send_link(&self, project: &ProjectId, config: &ProjectConfig, letter: Letter) {
        let link = self.link(project, config, letter.reason.purpose(), &letter.token);
        let (subject, text) = (letter.reason.subject(), letter.reason.text(&link));
        if let Err(error) = self.mailer.send(Mail::text(letter.to, subject, text)) {
            tracing::warn!(%error, %project, "a mail to an end user was not taken");
        }
    }
}

/// A mail with a link. No `Debug`: the token lets people in.
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) reason: Reason,
    pub(crate) token: String,
}
