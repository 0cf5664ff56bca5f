//! The service: takes messages, hands out the routes of captured mail.

use crate::capture::{Captured, CapturedMail};
use crate::config::MailConfig;
use crate::delivery::{Delivery, Waiting, Way, run};
use crate::error::MailError;
use crate::http;
use crate::message::{Mail, Outgoing};
use crate::metrics;
use crate::smtp::Smtp;
use credentials::Attempts;
use lettre::message::Mailbox;
use ports::access::Access;
use routes::ServiceRoutes;
use service_kit::drain::Drain;
use service_kit::ids::{MailId, ProjectId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Sender, error::TrySendError};

/// Bytes of all messages that wait, without their headers.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Takes mail and delivers it in the background.
pub struct Mailer {
    queue: Sender<Waiting>,
    room: Arc<Semaphore>,
    captured: Option<Captured>,
    captures_applications: bool,
    of_projects: Attempts,
    domain: String,
    drain: Drain,
}

impl Mailer {
    /// Starts delivering, to the mail server of the settings or into files in `capture_dir`. To be called
    /// within the runtime.
    ///
    /// # Errors
    /// A setting is not valid; the directory cannot be made.
    pub fn start(config: MailConfig, capture_dir: &Path) -> Result<Arc<Self>, MailError> {
        let MailConfig { smtp_url, from, timeout_ms, retry_backoff_ms, queue_max, captured_max, .. } = config;
        let from: Mailbox = from.parse().map_err(|_| MailError::From)?;
        let (way, captured) = match smtp_url {
            Some(url) => (Way::Smtp(Smtp::new(&url, Duration::from_millis(timeout_ms.get()))?), None),
            None => {
                let captured = Captured::open(capture_dir, captured_max)?;
                (Way::Captured(captured.clone()), Some(captured))
            }
        };
        let drain = Drain::new();
        let retry_backoff = Duration::from_millis(retry_backoff_ms);
        let domain = from.email.domain().to_owned();
        let delivery = Delivery { way, from, retry_backoff, drain: drain.clone() };
        let (queue, waiting) = mpsc::channel(queue_max.get());
        tokio::spawn(run(Arc::new(delivery), waiting));
        Ok(Arc::new(Self {
            queue,
            room: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
            captured,
            captures_applications: config.captures_applications,
            of_projects: Attempts::per_minute(config.per_project_per_minute_max),
            domain,
            drain,
        }))
    }

    /// Puts a message into the queue; never waits. Delivery is tried some times and its failure is logged:
    /// the queue is in memory, and what waits when the process dies is lost.
    ///
    /// # Errors
    /// A part of the message is refused; the queue is full; the server is shutting down.
    pub fn send(&self, mail: Mail) -> Result<(), MailError> {
        self.enqueue(Outgoing::check(mail)?)
    }

    /// The same for the application of a project, which is told of its message by its id.
    ///
    /// # Errors
    /// As `send`; no mail server is set; the project sends too much; the sender is of another domain.
    pub fn send_for(&self, project: &ProjectId, mail: Mail) -> Result<MailId, MailError> {
        if !self.delivers() && !self.captures_applications {
            return Err(MailError::NoServer);
        }
        let outgoing = Outgoing::check(mail)?;
        if !outgoing.is_from(&self.domain) {
            return Err(MailError::Sender);
        }
        self.of_projects.count(project).map_err(MailError::TooMany)?;
        let id = outgoing.id.clone();
        self.enqueue(outgoing)?;
        Ok(id)
    }

    fn enqueue(&self, outgoing: Outgoing) -> Result<(), MailError> {
        let full = || {
            metrics::refused();
            MailError::QueueFull
        };
        let bytes = u32::try_from(outgoing.mail.content_bytes()).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| full())?;
        self.queue.try_send(Waiting { outgoing, _room: room }).map_err(|error| match error {
            TrySendError::Full(_) => full(),
            TrySendError::Closed(_) => MailError::ShuttingDown,
        })
    }

    /// Whether mail reaches people; else it is captured.
    pub fn delivers(&self) -> bool {
        self.captured.is_none()
    }

    /// Captured mail, the newest first; none where mail is delivered.
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn captured(&self) -> Result<Vec<CapturedMail>, MailError> {
        let Some(captured) = self.captured.clone() else { return Ok(Vec::new()) };
        on_a_thread(move || captured.list()).await
    }

    /// One captured message.
    pub(crate) async fn captured_one(&self, id: MailId) -> Result<CapturedMail, MailError> {
        let Some(captured) = self.captured.clone() else { return Err(MailError::NotFound) };
        on_a_thread(move || captured.read(&id)).await?.ok_or(MailError::NotFound)
    }

    /// The routes under `/v1/instance/mail`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self.clone(), access)
    }

    /// Takes no more and tries each message that waits once; call it when requests have ended.
    pub async fn shutdown(&self) {
        self.drain.start();
        if !self.drain.finished().await {
            tracing::warn!("mail was still waiting when the time was up");
        }
    }
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, MailError> {
    let thread = tokio::task::spawn_blocking(work).await;
    thread.map_err(std::io::Error::other).and_then(|result| result).map_err(MailError::Capture)
}
