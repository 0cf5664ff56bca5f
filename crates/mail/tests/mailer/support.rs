//! A mail server that does what a test tells it, and a log that can be read.

use mail::{Mail, MailConfig};
use secrecy::SecretString;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::subscriber::DefaultGuard;

/// What the server does with a connection.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    Accept,
    /// Answers each recipient with this line.
    Refuse(&'static str),
    /// Takes the connection and never says anything.
    Hang,
}

pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    connections: UnboundedReceiver<()>,
    commands: UnboundedReceiver<String>,
    messages: UnboundedReceiver<String>,
}

impl SmtpServer {
    /// The connections come to `manners` in order, and all others to the last of them.
    pub(crate) async fn start(manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connected, connections) = unbounded_channel();
        let (commanded, commands) = unbounded_channel();
        let (received, messages) = unbounded_channel();
        tokio::spawn(async move {
            let mut held = Vec::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let manner = manners[number.min(manners.len() - 1)];
                connected.send(()).unwrap();
                match manner {
                    Manner::Hang => held.push(stream),
                    Manner::Accept | Manner::Refuse(_) => {
                        tokio::spawn(serve(stream, manner, commanded.clone(), received.clone()));
                    }
                }
            }
        });
        Self { port, connections, commands, messages }
    }

    pub(crate) fn config(&self) -> MailConfig {
        let url = format!("smtp://127.0.0.1:{}", self.port);
        MailConfig {
            smtp_url: Some(SecretString::from(url)),
            retry_backoff_ms: 1,
            from: "BunBase <noreply@example.org>".into(),
            ..MailConfig::default()
        }
    }

    /// The next message that was taken.
    pub(crate) async fn message(&mut self) -> String {
        self.messages.recv().await.unwrap()
    }

    /// Waits for so many connections.
    pub(crate) async fn connections(&mut self, wanted: usize) {
        for _ in 0..wanted {
            self.connections.recv().await.unwrap();
        }
    }

    /// Connections nobody waited for.
    pub(crate) fn further_connections(&mut self) -> usize {
        std::iter::from_fn(|| self.connections.try_recv().ok()).count()
    }

    /// Every command so far.
    pub(crate) fn commands(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).collect()
    }
}

/// One connection. It ends when the client goes.
async fn serve(
    stream: TcpStream,
    manner: Manner,
    commands: UnboundedSender<String>,
    messages: UnboundedSender<String>,
) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let (mut in_data, mut message) = (false, String::new());
    let mut answer = "220 ready";
    loop {
        if !answer.is_empty() && writing.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let Ok(Some(line)) = lines.next_line().await else { return };
        if in_data {
            in_data = line != ".";
            answer = if in_data { "" } else { "250 taken" };
            if in_data {
                message.push_str(&line);
                message.push('\n');
            } else {
                messages.send(std::mem::take(&mut message)).unwrap();
            }
            continue;
        }
        answer = match (line.split([' ', ':']).next().unwrap(), manner) {
            ("EHLO", _) => "250 example.org",
            ("RCPT", Manner::Refuse(refusal)) => refusal,
            ("DATA", _) => "354 go on",
            ("QUIT", _) => "221 bye",
            _ => "250 ok",
        };
        in_data = answer.starts_with("354");
        commands.send(line).unwrap();
    }
}

pub(crate) fn mail(to: &str) -> Mail {
    let text = "Open https://example.org/auth/action#token=s3cret to go on.\n".to_owned();
    Mail::text(to, "Hello", text)
}

/// What is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
