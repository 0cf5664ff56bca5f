//! A message: what may be in it, and how it becomes an Internet message (RFC 5322). What must hold: a
//! line break in a recipient or a subject is refused, so that neither can add headers or recipients.

use crate::error::MailError;
use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use service_kit::ids::MailId;

/// Characters of a subject.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Bytes of a text.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// Says that a program wrote it (RFC 3834), so that holiday notices stay away.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// A message to be sent. No `Debug`: texts hold links that let people in.
#[derive(Clone)]
pub struct Mail {
    /// The recipient's address, without a name.
    pub to: String,
    /// The subject, one line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// A message that was checked, on its way.
pub(crate) struct Outgoing {
    pub(crate) id: MailId,
    pub(crate) to: Address,
    pub(crate) mail: Mail,
}

impl Outgoing {
    pub(crate) fn check(mail: Mail) -> Result<Self, MailError> {
        let to: Address = mail.to.parse().map_err(|_| MailError::Recipient)?;
        if mail.to.contains(char::is_control) {
            return Err(MailError::Recipient);
        }
        let fits = (1..=SUBJECT_CHARS_MAX).contains(&mail.subject.chars().count());
        if !fits || mail.subject.contains(is_break) {
            return Err(MailError::Subject);
        }
        if mail.text.len() > TEXT_BYTES_MAX {
            return Err(MailError::TextTooLong);
        }
        Ok(Self { id: MailId::generate(), to, mail })
    }

    /// The recipient as logs may keep it: the first character and the domain.
    pub(crate) fn shown_to(&self) -> String {
        let first = self.to.user().chars().next().unwrap_or_default();
        format!("{first}…@{}", self.to.domain())
    }

    /// The message as it goes over the wire.
    pub(crate) fn build(&self, from: &Mailbox) -> Result<Message, MailError> {
        let id = format!("<{}@{}>", self.id, from.email.domain());
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, self.to.clone()))
            .subject(&self.mail.subject)
            .date_now()
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .body(self.mail.text.clone())
            .map_err(MailError::Build)
    }
}

/// Control characters, and what some programs take for a line break (Unicode's own separators).
fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail { to: to.into(), subject: subject.into(), text: "Hello.\nBye.".into() }
    }

    #[test]
    fn nothing_in_recipient_or_subject_becomes_a_header() {
        for to in [
            "a@b.example\r\nBcc: eve@example.com",
            "a@b.example\nx",
            "a@b.example, eve@example.com",
            "Ada <a@b.example>",
            "a@b.example\0",
            "a b@c.example",
            "",
        ] {
            let refused = Outgoing::check(mail(to, "Hello")).err();
            assert!(matches!(refused, Some(MailError::Recipient)), "{to:?}");
        }
        for subject in
            ["", "a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\0", "a\u{2028}b", &"x".repeat(201)]
        {
            let refused = Outgoing::check(mail("a@b.example", subject)).err();
            assert!(matches!(refused, Some(MailError::Subject)), "{subject:?}");
        }
        let long = Mail { text: "x".repeat(TEXT_BYTES_MAX + 1), ..mail("a@b.example", "Hello") };
        assert!(matches!(Outgoing::check(long).err(), Some(MailError::TextTooLong)));
    }

    #[test]
    fn a_message_names_its_sender_recipient_and_origin() {
        let outgoing = Outgoing::check(mail("ada@example.com", "Grüße")).ok().unwrap();
        let from = "BunBase <noreply@example.org>".parse().unwrap();
        let text = String::from_utf8(outgoing.build(&from).unwrap().formatted()).unwrap();
        for line in [
            "From: BunBase <noreply@example.org>\r\n",
            "To: ada@example.com\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Hello.\r\nBye.",
        ] {
            assert!(text.contains(line), "{line:?} is missing in {text}");
        }
        assert!(text.contains(&format!("Message-ID: <{}@example.org>", outgoing.id)));
        assert_eq!(outgoing.shown_to(), "a…@example.com");
    }
}
