//! A message: what may be in it, and how it becomes an Internet message (RFC 5322). What must hold: a
//! line break in an address, a subject or the name of a file is refused, so that none of them can add headers or
//! recipients.

use crate::error::MailError;
use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body, Mailbox, Message, MultiPart, SinglePart};
use service_kit::ids::MailId;

/// Characters of a subject.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Bytes of a text, and of its HTML form.
pub const TEXT_BYTES_MAX: usize = 512 << 10;
/// Recipients of one message: `to`, `cc` and `bcc` together.
pub const RECIPIENTS_MAX: usize = 50;
/// Attachments of one message.
pub const ATTACHMENTS_MAX: usize = 20;
/// Bytes of all attachments of one message.
pub const ATTACHMENT_BYTES_MAX: usize = 10 << 20;
/// Characters of the name of an attachment.
const FILENAME_CHARS_MAX: usize = 200;

/// Says that a program wrote it (RFC 3834), so that holiday notices stay away.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// A message to be sent. No `Debug`: texts hold links that let people in.
#[derive(Clone, Default)]
pub struct Mail {
    /// `Name <address>` or an address, of the domain of `mail.from`; that itself where absent.
    pub from: Option<String>,
    /// Addresses, without names.
    pub to: Vec<String>,
    /// The same, for a copy.
    pub cc: Vec<String>,
    /// The same, for a copy that the others do not see.
    pub bcc: Vec<String>,
    /// Where answers go: `Name <address>` or an address.
    pub reply_to: Option<String>,
    /// The subject, one line.
    pub subject: String,
    /// The text; empty where there is only HTML.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// A file that comes with a message.
#[derive(Clone)]
pub struct Attachment {
    /// Its name.
    pub filename: String,
    /// Such as `application/pdf`.
    pub content_type: String,
    /// What is in it.
    pub content: Vec<u8>,
}

impl Mail {
    /// A text to one person.
    pub fn text(to: impl Into<String>, subject: impl Into<String>, text: String) -> Self {
        Self { to: vec![to.into()], subject: subject.into(), text, ..Self::default() }
    }

    /// What it takes in memory, without its headers.
    pub(crate) fn content_bytes(&self) -> usize {
        let attached: usize = self.attachments.iter().map(|attachment| attachment.content.len()).sum();
        self.text.len() + self.html.as_ref().map_or(0, String::len) + attached
    }

    fn check_content(&self) -> Result<(), MailError> {
        let fits = (1..=SUBJECT_CHARS_MAX).contains(&self.subject.chars().count());
        if !fits || self.subject.contains(is_break) {
            return Err(MailError::Subject);
        }
        if [Some(&self.text), self.html.as_ref()]
            .into_iter()
            .flatten()
            .any(|text| text.len() > TEXT_BYTES_MAX)
        {
            return Err(MailError::TextTooLong);
        }
        let bytes: usize = self.attachments.iter().map(|attachment| attachment.content.len()).sum();
        if self.attachments.len() > ATTACHMENTS_MAX || bytes > ATTACHMENT_BYTES_MAX {
            return Err(MailError::TooMuchAttached);
        }
        for attachment in &self.attachments {
            let named = (1..=FILENAME_CHARS_MAX).contains(&attachment.filename.chars().count());
            let typed = attachment.content_type.parse::<ContentType>().is_ok();
            if !named || !typed || attachment.filename.contains(is_break) {
                return Err(MailError::Attachment);
            }
        }
        Ok(())
    }
}

/// A message that was checked, on its way.
pub(crate) struct Outgoing {
    pub(crate) id: MailId,
    from: Option<Mailbox>,
    reply_to: Option<Mailbox>,
    to: Vec<Address>,
    cc: Vec<Address>,
    bcc: Vec<Address>,
    pub(crate) mail: Mail,
}

impl Outgoing {
    pub(crate) fn check(mail: Mail) -> Result<Self, MailError> {
        let recipients = mail.to.len() + mail.cc.len() + mail.bcc.len();
        if mail.to.is_empty() || recipients > RECIPIENTS_MAX {
            return Err(MailError::Recipients);
        }
        mail.check_content()?;
        Ok(Self {
            id: MailId::generate(),
            from: mail.from.as_deref().map(|text| mailbox(text).ok_or(MailError::Sender)).transpose()?,
            reply_to: mail
                .reply_to
                .as_deref()
                .map(|text| mailbox(text).ok_or(MailError::ReplyTo))
                .transpose()?,
            to: addresses(&mail.to)?,
            cc: addresses(&mail.cc)?,
            bcc: addresses(&mail.bcc)?,
            mail,
        })
    }

    /// Whether it may come from where it says: mail servers vouch for a domain.
    pub(crate) fn is_from(&self, domain: &str) -> bool {
        self.from.as_ref().is_none_or(|from| from.email.domain().eq_ignore_ascii_case(domain))
    }

    /// The recipient as logs may keep it: the first character and the domain; of several the first.
    pub(crate) fn shown_to(&self) -> String {
        let show =
            |to: &Address| format!("{}…@{}", to.user().chars().next().unwrap_or_default(), to.domain());
        self.to.first().map(show).unwrap_or_default()
    }

    /// The message as it goes over the wire.
    pub(crate) fn build(&self, from: &Mailbox) -> Result<Message, MailError> {
        let id = format!("<{}@{}>", self.id, from.email.domain());
        let mut builder = Message::builder()
            .from(self.from.clone().unwrap_or_else(|| from.clone()))
            .subject(&self.mail.subject)
            .date_now()
            .message_id(Some(id))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
        let plain = |address: &Address| Mailbox::new(None, address.clone());
        for address in &self.to {
            builder = builder.to(plain(address));
        }
        for address in &self.cc {
            builder = builder.cc(plain(address));
        }
        // They are in the envelope alone.
        for address in &self.bcc {
            builder = builder.bcc(plain(address));
        }
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        match (&self.mail.html, self.mail.attachments.as_slice()) {
            (None, []) => builder.header(ContentType::TEXT_PLAIN).body(self.mail.text.clone()),
            (None, files) => {
                let text = SinglePart::plain(self.mail.text.clone());
                builder.multipart(with_files(MultiPart::mixed().singlepart(text), files)?)
            }
            (Some(html), []) => builder.multipart(self.alternatives(html)),
            (Some(html), files) => {
                let body = MultiPart::mixed().multipart(self.alternatives(html));
                builder.multipart(with_files(body, files)?)
            }
        }
        .map_err(MailError::Build)
    }

    fn alternatives(&self, html: &str) -> MultiPart {
        let html = SinglePart::html(html.to_owned());
        if self.mail.text.is_empty() {
            return MultiPart::alternative().singlepart(html);
        }
        MultiPart::alternative().singlepart(SinglePart::plain(self.mail.text.clone())).singlepart(html)
    }
}

fn with_files(body: MultiPart, files: &[Attachment]) -> Result<MultiPart, MailError> {
    files.iter().try_fold(body, |body, file| {
        let kind: ContentType = file.content_type.parse().map_err(|_| MailError::Attachment)?;
        let content = Body::new(file.content.clone());
        Ok(body.singlepart(Part::new(file.filename.clone()).body(content, kind)))
    })
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, MailError> {
    let address = |text: &String| {
        let parsed = text.parse().ok().filter(|_: &Address| !text.contains(char::is_control));
        parsed.ok_or(MailError::Recipient)
    };
    texts.iter().map(address).collect()
}

fn mailbox(text: &str) -> Option<Mailbox> {
    text.parse().ok().filter(|_| !text.contains(is_break))
}

/// Control characters, and what some programs take for a line break (Unicode's own separators).
fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str) -> Mail {
        Mail::text(to, subject, "Hello.\nBye.".to_owned())
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
    fn what_else_a_message_has_is_bounded_and_adds_no_header() {
        let check = |change: &dyn Fn(&mut Mail)| {
            let mut changed = mail("a@b.example", "Hello");
            change(&mut changed);
            Outgoing::check(changed).err()
        };
        let file = |filename: &str, content_type: &str, bytes: usize| Attachment {
            filename: filename.to_owned(),
            content_type: content_type.to_owned(),
            content: vec![0; bytes],
        };
        let many = vec!["a@b.example".to_owned(); RECIPIENTS_MAX];
        assert!(matches!(check(&|mail| mail.bcc.clone_from(&many)), Some(MailError::Recipients)));
        assert!(matches!(check(&|mail| mail.to.clear()), Some(MailError::Recipients)));
        let lines = || Some("A\r\nBcc: eve@example.com <a@b.example>".to_owned());
        assert!(matches!(check(&|mail| mail.reply_to = lines()), Some(MailError::ReplyTo)));
        assert!(matches!(check(&|mail| mail.from = lines()), Some(MailError::Sender)));
        for wrong in [file("a\r\nX: y", "text/plain", 1), file("a", "text", 1), file("", "text/plain", 1)] {
            assert!(matches!(
                check(&|mail| mail.attachments = vec![wrong.clone()]),
                Some(MailError::Attachment)
            ));
        }
        let large = file("a", "text/plain", ATTACHMENT_BYTES_MAX / 2 + 1);
        let two = vec![large.clone(), large];
        assert!(matches!(check(&|mail| mail.attachments.clone_from(&two)), Some(MailError::TooMuchAttached)));
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

    #[test]
    fn text_html_and_files_are_parts_of_one_message_and_bcc_is_in_none() {
        let attachment = Attachment {
            filename: "Rechnung.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            content: b"%PDF\xff".to_vec(),
        };
        let outgoing = Outgoing::check(Mail {
            from: Some("Shop <shop@example.org>".to_owned()),
            cc: vec!["bob@example.com".to_owned()],
            bcc: vec!["eve@example.com".to_owned()],
            reply_to: Some("Help <help@example.net>".to_owned()),
            html: Some("<p>Hello.</p>".to_owned()),
            attachments: vec![attachment],
            ..mail("ada@example.com", "Hello")
        });
        let outgoing = outgoing.ok().unwrap();
        assert!(outgoing.is_from("example.org") && !outgoing.is_from("example.com"));
        let message = outgoing.build(&"noreply@example.org".parse().unwrap()).unwrap();
        let recipients: Vec<_> = message.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(recipients, ["ada@example.com", "bob@example.com", "eve@example.com"]);
        let text = String::from_utf8(message.formatted()).unwrap();
        for part in [
            "From: Shop <shop@example.org>\r\n",
            "Cc: bob@example.com\r\n",
            "Reply-To: Help <help@example.net>\r\n",
            "Content-Type: multipart/mixed",
            "Content-Type: multipart/alternative",
            "<p>Hello.</p>",
            "Content-Disposition: attachment; filename=\"Rechnung.pdf\"",
            "JVBERv8=",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        assert!(!text.contains("eve@example.com"));
    }
}
