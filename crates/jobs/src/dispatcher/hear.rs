//! News from the other instances.

use super::command::{Command, Request};
use super::share::{Notice, Sent};
use crate::store::Store;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long it waits before it connects again.
const AGAIN: Duration = Duration::from_secs(1);

/// Passes on what others say, until the dispatcher ends. Where something may have been missed it says `Changed`.
pub(crate) async fn hear(store: Store, instance: String, requests: mpsc::Sender<Request>) {
    tokio::select! {
        () = requests.closed() => {}
        () = listen(&store, &instance, &requests) => {}
    }
}

async fn listen(store: &Store, instance: &str, requests: &mpsc::Sender<Request>) {
    loop {
        match store.listen().await {
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                pass_on(Notice::Changed, requests).await;
                while let Ok(heard) = listener.try_recv().await {
                    let sent = heard.and_then(|heard| serde_json::from_str::<Sent>(heard.payload()).ok());
                    match sent {
                        Some(sent) if sent.from == instance => {}
                        Some(sent) => pass_on(sent.notice, requests).await,
                        None => pass_on(Notice::Changed, requests).await,
                    }
                }
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn pass_on(notice: Notice, requests: &mpsc::Sender<Request>) {
    let (reply, _) = oneshot::channel();
    let _ = requests.send(Request { command: Command::Heard(notice), reply, admitted: None }).await;
}
