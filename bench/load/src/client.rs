//! One keep-alive HTTP/1.1 connection, and where and as whom it asks.

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::str::FromStr;
use tokio::net::TcpStream;

/// The server under test and the headers of every request.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Address, as `127.0.0.1:3001`
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: String,
    /// Header of every request, as `Name: value`; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<HeaderLine>,
}

/// One header of the command line.
#[derive(Debug, Clone)]
pub(crate) struct HeaderLine(HeaderName, HeaderValue);

impl FromStr for HeaderLine {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (name, value) = line.split_once(':').ok_or_else(|| anyhow!("expected 'Name: value'"))?;
        Ok(Self(name.trim().parse()?, value.trim().parse()?))
    }
}

/// A request but for the target's own headers.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

/// One open connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    target: Target,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&target.address)
            .await
            .with_context(|| format!("cannot connect to {}", target.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, target: target.clone() })
    }

    /// Sends, and reads the whole answer. An error means that the connection is gone.
    pub(crate) async fn send(&mut self, ask: Ask) -> anyhow::Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let response: Response<Incoming> = self.sender.send_request(self.request(ask)?).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// As [`Self::send`]; an answer that is no success is an error.
    pub(crate) async fn expect_success(&mut self, ask: Ask) -> anyhow::Result<Bytes> {
        let shown = format!("{} {}", ask.method, ask.path);
        let (status, body) = self.send(ask).await?;
        if !status.is_success() {
            bail!("{shown} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    fn request(&self, ask: Ask) -> anyhow::Result<Request<Full<Bytes>>> {
        let has_body = !ask.body.is_empty();
        let mut request = Request::builder().method(ask.method).uri(ask.path).body(Full::new(ask.body))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_str(&self.target.address)?);
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for HeaderLine(name, value) in &self.target.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}
