//! Requests and answers of a project's routes.

use super::malformed;
use crate::proto;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::Status;

pub(crate) fn put_headers(headers: &HeaderMap) -> Vec<proto::Header> {
    let put = |(name, value): (&HeaderName, &HeaderValue)| proto::Header {
        name: name.as_str().to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    headers.iter().map(put).collect()
}

fn get_headers(headers: Vec<proto::Header>) -> Result<HeaderMap, Status> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for proto::Header { name, value } in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed("header"))?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| malformed("header"))?;
        map.append(name, value);
    }
    Ok(map)
}

/// Method, path and query, headers and body of a message.
pub(crate) fn get_request(message: proto::ProjectApiRequest) -> Result<Request<Bytes>, Status> {
    let mut request = Request::new(message.body);
    *request.method_mut() = message.method.parse().map_err(|_| malformed("method"))?;
    *request.uri_mut() = message.path_and_query.parse().map_err(|_| malformed("path"))?;
    *request.headers_mut() = get_headers(message.headers)?;
    Ok(request)
}

pub(crate) fn put_response(response: Response<Bytes>) -> proto::ProjectApiReply {
    let (parts, body) = response.into_parts();
    proto::ProjectApiReply {
        status: parts.status.as_u16().into(),
        headers: put_headers(&parts.headers),
        body,
    }
}

pub(crate) fn get_response(message: proto::ProjectApiReply) -> Result<Response<Bytes>, Status> {
    let status = u16::try_from(message.status).map_err(|_| malformed("status"))?;
    let mut response = Response::new(message.body);
    *response.status_mut() = status.try_into().map_err(|_| malformed("status"))?;
    *response.headers_mut() = get_headers(message.headers)?;
    Ok(response)
}
