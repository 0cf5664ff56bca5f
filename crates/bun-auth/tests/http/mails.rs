//! A mail server that takes every message, or says nothing at all.

use mail::MailConfig;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) struct SmtpServer {
    port: u16,
    messages: UnboundedReceiver<String>,
}

impl SmtpServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (received, messages) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, received.clone()));
            }
        });
        Self { port, messages }
    }

    pub(crate) fn config(&self) -> MailConfig {
        config(self.port)
    }

    /// The next message as it came, with its soft line breaks undone.
    pub(crate) async fn message(&mut self) -> String {
        self.messages.recv().await.unwrap().replace("=\n", "").replace("=3D", "=")
    }

    /// Whether nothing came that nobody waited for.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.messages.try_recv().is_err()
    }
}

/// The settings for a mail server on this port.
pub(crate) fn config(port: u16) -> MailConfig {
    let url = format!("smtp://127.0.0.1:{port}");
    MailConfig { smtp_url: Some(SecretString::from(url)), ..MailConfig::default() }
}

async fn serve(stream: TcpStream, messages: UnboundedSender<String>) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let mut message: Option<String> = None;
    let mut answer = "220 ready\r\n";
    while writing.write_all(answer.as_bytes()).await.is_ok() {
        let Ok(Some(line)) = lines.next_line().await else { return };
        answer = match (&mut message, line.as_str()) {
            (Some(_), ".") => {
                messages.send(message.take().unwrap()).unwrap();
                "250 taken\r\n"
            }
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
                ""
            }
            (None, "DATA") => {
                message = Some(String::new());
                "354 go on\r\n"
            }
            (None, _) => "250 ok\r\n",
        };
    }
}
