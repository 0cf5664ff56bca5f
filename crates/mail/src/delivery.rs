//! The background: takes messages out of the queue and brings each to its end. Some are delivered at once
//! side by side, so that one that hangs does not hold up the others.

use crate::capture::Captured;
use crate::error::MailError;
use crate::message::Outgoing;
use crate::metrics;
use crate::smtp::{AttemptError, Smtp};
use lettre::Message;
use lettre::message::Mailbox;
use service_kit::drain::Drain;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Attempts after the first one failed.
const RETRIES: u32 = 3;
/// How many times longer each wait is than the one before.
const BACKOFF_FACTOR: u32 = 4;
/// Messages that are delivered at the same time.
const AT_ONCE: usize = 8;

/// Where messages go.
pub(crate) enum Way {
    /// To a mail server.
    Smtp(Smtp),
    /// Into files.
    Captured(Captured),
}

/// A message in the queue, with the room that it takes until it is delivered or given up.
pub(crate) struct Waiting {
    pub(crate) outgoing: Outgoing,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What delivering needs to know.
pub(crate) struct Delivery {
    pub(crate) way: Way,
    pub(crate) from: Mailbox,
    pub(crate) retry_backoff: Duration,
    pub(crate) drain: Drain,
}

/// Runs until draining began and the queue is empty.
pub(crate) async fn run(delivery: Arc<Delivery>, mut queue: Receiver<Waiting>) {
    let _work = delivery.drain.work();
    let slots = Arc::new(Semaphore::new(delivery.slots()));
    loop {
        let message = tokio::select! {
            message = queue.recv() => message,
            () = delivery.drain.started(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(Waiting { outgoing, _room: room }) = message else { return };
        metrics::waiting(queue.len());
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let (delivery, work) = (delivery.clone(), delivery.drain.work());
        tokio::spawn(async move {
            delivery.bring(outgoing).await;
            drop((slot, room, work));
        });
    }
}

impl Delivery {
    /// Files are written one after the other, so that they stay in order.
    fn slots(&self) -> usize {
        match self.way {
            Way::Smtp(_) => AT_ONCE,
            Way::Captured(_) => 1,
        }
    }

    async fn bring(&self, message: Outgoing) {
        match &self.way {
            Way::Smtp(smtp) => self.send(smtp, &message).await,
            Way::Captured(captured) => keep(captured.clone(), message).await,
        }
    }

    async fn send(&self, smtp: &Smtp, outgoing: &Outgoing) {
        let (id, to) = (&outgoing.id, outgoing.shown_to());
        let message = match outgoing.build(&self.from) {
            Ok(message) => message,
            Err(error) => return failed(outgoing, &error),
        };
        match self.attempts(smtp, &message).await {
            Ok(()) => {
                metrics::done("delivered");
                tracing::info!(mail = %id, %to, "mail delivered");
            }
            Err(error) => failed(outgoing, &error),
        }
    }

    /// Tries until it is delivered, refused for good, or tried often enough. Once draining began there is
    /// no waiting: what fails then is lost.
    async fn attempts(&self, smtp: &Smtp, message: &Message) -> Result<(), AttemptError> {
        let (mut wait, mut attempts_left) = (self.retry_backoff, RETRIES);
        loop {
            let Err(error) = smtp.deliver(message).await else { return Ok(()) };
            if attempts_left == 0 || !error.is_passing() || self.drain.is_started() {
                return Err(error);
            }
            metrics::retried();
            tracing::debug!(%error, attempts_left, "mail not delivered yet");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.drain.started() => {}
            }
            wait = wait.saturating_mul(BACKOFF_FACTOR);
            attempts_left -= 1;
        }
    }
}

fn failed(outgoing: &Outgoing, error: &(dyn std::error::Error + 'static)) {
    metrics::done("failed");
    let (mail, to, cause) = (&outgoing.id, outgoing.shown_to(), error.source().map(ToString::to_string));
    tracing::error!(%mail, %to, %error, cause, "mail was not delivered: check `mail.smtp_url` and the mail server");
}

async fn keep(captured: Captured, message: Outgoing) {
    let thread = tokio::task::spawn_blocking(move || (captured.keep(&message), message)).await;
    match thread {
        Ok((Ok(()), message)) => {
            metrics::done("captured");
            tracing::info!(mail = %message.id, "mail captured: no mail server is set");
        }
        Ok((Err(error), message)) => failed(&message, &MailError::Capture(error)),
        Err(error) => {
            metrics::done("failed");
            tracing::error!(%error, "the thread that captures mail ended early");
        }
    }
}
