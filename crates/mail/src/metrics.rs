//! Counters of mail.

use metrics::{counter, gauge};

/// A message came to its end: `delivered`, `captured` or `failed`.
pub(crate) fn done(outcome: &'static str) {
    counter!("bunbase_mail_messages_total", "outcome" => outcome).increment(1);
}

/// An attempt to deliver failed and is made again.
pub(crate) fn retried() {
    counter!("bunbase_mail_retries_total").increment(1);
}

/// A message was not taken because the queue was full.
pub(crate) fn refused() {
    counter!("bunbase_mail_refused_total").increment(1);
}

/// Messages that wait.
pub(crate) fn waiting(messages: usize) {
    gauge!("bunbase_mail_queue_messages").set(messages as f64);
}
