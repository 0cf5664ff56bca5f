//! Captured mail: one JSON file a message, named by its id, so that names sort by time. Only the user that
//! runs the server can read the files; the newest are kept.

use crate::error::MailError;
use crate::message::Outgoing;
use serde::{Deserialize, Serialize};
use service_kit::clock::{now_ms, rfc3339};
use service_kit::ids::MailId;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How the name of a file ends that is not written to its end.
const HALF: &str = "part";

/// A message that was kept instead of sent. No `Debug`: the text may hold a link that lets people in.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CapturedMail {
    /// `eml_…`.
    pub id: String,
    /// The recipients, with commas between them.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// When it was kept, RFC 3339.
    pub at: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Who got a copy, seen by the others or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// Names of the attachments; they themselves are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
}

/// The directory of captured mail.
#[derive(Clone)]
pub(crate) struct Captured {
    directory: PathBuf,
    kept_max: usize,
}

impl Captured {
    /// Makes the directory where it is missing, and removes what a crash left half written.
    pub(crate) fn open(directory: &Path, kept_max: NonZeroUsize) -> Result<Self, MailError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.and_then(|()| remove_halves(directory))
            .map_err(|source| MailError::Directory { path: directory.to_owned(), source })?;
        Ok(Self { directory: directory.to_owned(), kept_max: kept_max.get() })
    }

    /// Keeps one, and removes the oldest over the limit.
    pub(crate) fn keep(&self, message: &Outgoing) -> io::Result<()> {
        let mail = &message.mail;
        let kept = CapturedMail {
            id: message.id.to_string(),
            to: mail.to.join(", "),
            subject: mail.subject.clone(),
            at: rfc3339(now_ms()),
            text: mail.text.clone(),
            html: mail.html.clone(),
            copies: mail.cc.iter().chain(&mail.bcc).cloned().collect(),
            attachments: mail.attachments.iter().map(|attachment| attachment.filename.clone()).collect(),
        };
        let half = self.directory.join(format!("{}.{HALF}", message.id));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        drop(file);
        fs::rename(&half, self.file(&message.id))?;
        for id in self.ids()?.iter().skip(self.kept_max) {
            fs::remove_file(self.file(id))?;
        }
        Ok(())
    }

    /// All that is kept, the newest first.
    pub(crate) fn list(&self) -> io::Result<Vec<CapturedMail>> {
        let ids = self.ids()?;
        Ok(ids
            .iter()
            .map(|id| self.read(id))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// One; `None` where it is not kept, or not any more, or was damaged when the machine stopped.
    pub(crate) fn read(&self, id: &MailId) -> io::Result<Option<CapturedMail>> {
        match fs::read(self.file(id)) {
            Ok(text) => Ok(serde_json::from_slice(&text)
                .inspect_err(|_| tracing::warn!(mail = %id, "captured mail is damaged"))
                .ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn file(&self, id: &MailId) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    /// The ids of all files, the newest first.
    fn ids(&self) -> io::Result<Vec<MailId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json")).map(MailId::parse);
            ids.extend(id.and_then(Result::ok));
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }
}

fn remove_halves(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == HALF) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}
