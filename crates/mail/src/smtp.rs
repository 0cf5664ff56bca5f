//! The mail server: its address from the settings, and one attempt to hand a message over.

use crate::error::MailError;
use lettre::transport::smtp;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Why an attempt failed, without what the server said: that may name the recipient.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error("the mail server did not answer in time")]
    Timeout,
    #[error("the mail server refused the message with {0}")]
    Refused(smtp::response::Code),
    #[error("the mail server put the message off with {0}")]
    PutOff(smtp::response::Code),
    #[error("the mail server could not be reached or broke off")]
    Connection(#[source] smtp::Error),
    #[error("the answer of the mail server was not understood")]
    Answer,
}

impl AttemptError {
    /// Whether another attempt may go better.
    pub(crate) fn is_passing(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl From<smtp::Error> for AttemptError {
    fn from(error: smtp::Error) -> Self {
        match error.status() {
            Some(code) if error.is_permanent() => Self::Refused(code),
            Some(code) => Self::PutOff(code),
            None if error.is_timeout() => Self::Timeout,
            None if error.is_response() || error.is_client() => Self::Answer,
            None => Self::Connection(error),
        }
    }
}

/// The mail server.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

impl Smtp {
    pub(crate) fn new(url: &SecretString, timeout: Duration) -> Result<Self, MailError> {
        let url = understood(url.expose_secret())?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url)
            .map_err(|_| MailError::SmtpUrl("it cannot be read; escape special characters as %XX"))?;
        Ok(Self { transport: builder.timeout(Some(timeout)).build(), timeout })
    }

    /// One attempt; takes `timeout` at the most.
    pub(crate) async fn deliver(&self, message: &Message) -> Result<(), AttemptError> {
        // The library's own timeout is per command: a server that answers slowly each time outlasts it.
        let text = message.formatted();
        let attempt = self.transport.send_raw(message.envelope(), &text);
        match tokio::time::timeout(self.timeout, attempt).await {
            Err(_) => Err(AttemptError::Timeout),
            Ok(sent) => Ok(sent.map(|_| ())?),
        }
    }
}

/// The address in the library's form. Credentials are not sent without TLS, but to this machine.
fn understood(url: &str) -> Result<String, MailError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(MailError::SmtpUrl("it begins with smtps://, smtp+starttls:// or smtp://"));
    };
    if rest.contains(['?', '#']) {
        return Err(MailError::SmtpUrl("it has no parameters; the scheme says which TLS"));
    }
    match scheme {
        "smtps" => Ok(url.to_owned()),
        "smtp+starttls" => Ok(format!("smtp://{rest}?tls=required")),
        "smtp" if sends_credentials(rest) => {
            Err(MailError::SmtpUrl("user and password need TLS: use smtp+starttls:// or smtps://"))
        }
        "smtp" => Ok(url.to_owned()),
        _ => Err(MailError::SmtpUrl("it begins with smtps://, smtp+starttls:// or smtp://")),
    }
}

/// Whether user and password would leave this machine.
fn sends_credentials(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let Some((_, server)) = authority.rsplit_once('@') else { return false };
    let host = server.split_inclusive(']').next().unwrap_or_default();
    let host = if host.ends_with(']') { host } else { server.split(':').next().unwrap_or_default() };
    !matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(url: &str) -> Result<Smtp, MailError> {
        Smtp::new(&SecretString::from(url), Duration::from_secs(1))
    }

    #[test]
    fn the_scheme_says_which_tls() {
        for url in [
            "smtps://me:pass%40word@mail.example.com",
            "smtp+starttls://me:pw@mail.example.com:2587",
            "smtp://mail.example.com",
            "smtp://127.0.0.1:2525",
            "smtp://me:pw@localhost:2525",
            "smtp://me:pw@[::1]",
            "smtp://me:pw@[::1]:2525",
        ] {
            assert!(new(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_is_no_mail_server_is_refused_without_repeating_it() {
        for url in [
            "mail.example.com",
            "http://mail.example.com",
            "smtp://me:s3cret@mail.example.com",
            "smtp+starttls://me:s3cret@mail.example.com?tls=opportunistic",
            "smtps://me:s3cret@",
        ] {
            let error = new(url).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
