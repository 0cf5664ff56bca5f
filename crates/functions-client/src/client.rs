//! The client: one connection, and a method for each thing that is done with functions.

use crate::code::{self, Code};
use crate::credential::Credential;
use crate::error::ClientError;
use crate::types::{Function, LogLine, LogsQuery};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rpc::MESSAGE_BYTES_MAX;
use rpc::functions_v1 as wire;
use std::path::Path;
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use wire::functions_client::FunctionsClient as Wire;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that does not answer a ping for so long is gone, and so are the calls that wait for it.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Functions of one project. Clones share the connection, which is made again where it broke.
#[derive(Clone)]
pub struct FunctionsClient {
    wire: Wire<InterceptedService<Channel, Credential>>,
}

impl FunctionsClient {
    /// Connects to `http://host:port`, or through a Unix socket to `unix:PATH`.
    ///
    /// # Errors
    /// `Address` where the text is neither, `Connect` where nobody answers.
    pub async fn connect(address: &str, credential: Credential) -> Result<Self, ClientError> {
        let known = address.starts_with("http://") || address.starts_with("unix:");
        let endpoint = Endpoint::from_shared(address.to_owned()).ok().filter(|_| known);
        let endpoint = endpoint.ok_or_else(|| ClientError::Address(address.to_owned()))?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY)
            .tcp_nodelay(true)
            .connect()
            .await
            .map_err(|source| ClientError::Connect { address: address.to_owned(), source })?;
        let wire = Wire::new(InterceptedService::new(channel, credential));
        let wire = wire.max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self { wire: wire.max_encoding_message_size(MESSAGE_BYTES_MAX) })
    }

    /// Registers a function, which has no code yet. One that is there stays as it is.
    ///
    /// # Errors
    /// `Refused` and `Broken`, as in every method.
    pub async fn register(&self, function: &str) -> Result<Function, ClientError> {
        let message = wire::RegisterRequest { function: function.to_owned(), ..Default::default() };
        Ok(self.wire.clone().register(message).await?.into_inner().into())
    }

    /// Deploys a TypeScript or JavaScript file, or a directory, which is bundled on the server; a version that is
    /// not named gets its name there. It takes the calls when this returns.
    ///
    /// # Errors
    /// `Pack` too, where the files cannot be read or are larger than `DEPLOYMENT_BYTES_MAX`.
    pub async fn deploy(
        &self,
        function: &str,
        version: Option<&str>,
        path: impl AsRef<Path>,
    ) -> Result<Function, ClientError> {
        let Code { form, bytes } = code::read(path.as_ref()).await?;
        let deployment = wire::Deployment {
            function: function.to_owned(),
            form: form.into(),
            version: version.map(str::to_owned),
            ..Default::default()
        };
        let messages = stream::iter(code::messages(deployment, bytes));
        Ok(self.wire.clone().deploy(messages).await?.into_inner().into())
    }

    /// Calls a function, or with `name@alias` one of its versions. The request's path and query are what the
    /// handler sees, whatever its host. An answer of the handler is `Ok`, whatever its status. Dropping the future
    /// cancels the call.
    ///
    /// # Errors
    /// `Refused`: the call was not let in, or the handler gave no answer.
    pub async fn invoke(
        &self,
        function: &str,
        request: Request<impl Into<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        let (parts, body) = request.into_parts();
        let put = |(name, value): (&HeaderName, &HeaderValue)| wire::Header {
            name: name.as_str().to_owned(),
            value: Bytes::copy_from_slice(value.as_bytes()),
        };
        let message = wire::InvokeRequest {
            function: function.to_owned(),
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: parts.headers.iter().map(put).collect(),
            body: body.into(),
        };
        answer(self.wire.clone().invoke(message).await?.into_inner())
    }

    /// What a function logged, the oldest line first; with `follow` also what it logs from then on. The stream
    /// ends with an error where it may not go on.
    ///
    /// # Errors
    /// `Refused` and `Broken`.
    pub async fn logs(
        &self,
        function: &str,
        wanted: LogsQuery,
    ) -> Result<impl Stream<Item = Result<LogLine, ClientError>> + Send + Unpin + use<>, ClientError> {
        let lines = self.wire.clone().logs(wanted.of(function)).await?.into_inner();
        Ok(lines.map(|line| line.map(LogLine::from).map_err(ClientError::from)))
    }
}

fn answer(reply: wire::InvokeReply) -> Result<Response<Bytes>, ClientError> {
    let mut headers = HeaderMap::with_capacity(reply.headers.len());
    for wire::Header { name, value } in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Foreign)?;
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| ClientError::Foreign)?);
    }
    let mut response = Response::new(reply.body);
    let status = u16::try_from(reply.status).ok().and_then(|status| status.try_into().ok());
    *response.status_mut() = status.ok_or(ClientError::Foreign)?;
    *response.headers_mut() = headers;
    Ok(response)
}
