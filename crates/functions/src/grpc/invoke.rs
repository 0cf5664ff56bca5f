//! Calls of functions. The metadata says who calls; method, path, headers and body are what the handler gets. An
//! answer of the handler is a reply whatever its status; only what is wrong besides it ends a call with an error.

use super::{Calls, Streamed, wire};
use crate::front::{CallBody, Called, INVOCATION_HEADER, Origin, Target, collect_answer};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full};
use routes::{call_credentials, call_project};
use rpc::api_status;
use service_kit::error::{ApiError, ErrorCode};
use tonic::metadata::AsciiMetadataKey;
use tonic::{Request, Response, Status};
use wire::invoke_part::{Head, Part};

impl Calls {
    pub(super) async fn call_whole(
        &self,
        request: Request<wire::InvokeRequest>,
    ) -> Result<Response<wire::InvokeReply>, Status> {
        let answer = self.call(request).await?;
        let (parts, body) = collect_answer(answer).await.map_err(|failed| api_status(&failed))?.into_parts();
        let (status, headers) = (parts.status.as_u16().into(), put_headers(&parts.headers));
        Ok(Response::new(wire::InvokeReply { status, headers, body }))
    }

    pub(super) async fn call_streamed(
        &self,
        request: Request<wire::InvokeRequest>,
    ) -> Result<Response<Streamed<wire::InvokePart>>, Status> {
        let (parts, body) = self.call(request).await?.into_parts();
        let head = Head { status: parts.status.as_u16().into(), headers: put_headers(&parts.headers) };
        let broken = |_| {
            let message = "the answer broke off; `bunbase functions logs` may say why";
            api_status(&ApiError::new(ErrorCode::HandlerError, message))
        };
        let data = body.into_data_stream().map(move |data| data.map(Part::Data).map_err(broken));
        let all = stream::iter([Ok(Part::Head(head))]).chain(data);
        Ok(Response::new(Box::pin(all.map(|part| part.map(|part| wire::InvokePart { part: Some(part) })))))
    }

    /// The handler's answer. Dropping the future cancels the call.
    async fn call(&self, request: Request<wire::InvokeRequest>) -> Result<http::Response<CallBody>, Status> {
        let (metadata, _, message) = request.into_parts();
        let metadata = metadata.as_ref();
        let function = message.function.clone();
        let called = Called {
            target: Target::named(call_project(metadata), &function),
            credentials: call_credentials(metadata),
            origin: Origin::GRPC,
        };
        let request = for_handler(message).map_err(|invalid| api_status(&invalid))?;
        let mut answer = self.front.call_by(called, request).await;
        let Some(error) = answer.extensions_mut().remove::<ApiError>() else { return Ok(answer) };
        let mut status = api_status(&error);
        let id = answer.headers().get(INVOCATION_HEADER).and_then(|id| id.to_str().ok()?.parse().ok());
        if let (Some(id), Ok(name)) = (id, INVOCATION_HEADER.as_str().parse::<AsciiMetadataKey>()) {
            status.metadata_mut().insert(name, id);
        }
        Err(status)
    }
}

fn for_handler(message: wire::InvokeRequest) -> Result<http::Request<Full<Bytes>>, ApiError> {
    let wire::InvokeRequest { method, path, headers, body, .. } = message;
    let invalid = |what: &str| ApiError::new(ErrorCode::InvalidRequest, format!("{what} is not valid"));
    let usual = if body.is_empty() { Method::GET } else { Method::POST };
    let named = Method::from_bytes(method.as_bytes()).map_err(|_| invalid("`method`"));
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = PathAndQuery::try_from(format!("{slash}{path}")).map_err(|_| invalid("`path`"))?;
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = if method.is_empty() { usual } else { named? };
    *request.uri_mut() = Uri::from(path);
    let into = request.headers_mut();
    for wire::Header { name, value } in headers {
        let header = || invalid(&format!("the header {name:?}"));
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| header())?;
        into.append(HeaderName::from_bytes(name.as_bytes()).map_err(|_| header())?, value);
    }
    Ok(request)
}

fn put_headers(headers: &HeaderMap) -> Vec<wire::Header> {
    let put = |(name, value): (&HeaderName, &HeaderValue)| wire::Header {
        name: name.as_str().to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    headers.iter().map(put).collect()
}
