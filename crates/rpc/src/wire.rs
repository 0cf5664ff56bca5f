//! The plain types of `ports` as messages and back. What does not parse is `INVALID_ARGUMENT`, which a
//! client takes for `Unavailable`: the two processes do not understand each other.

pub(crate) mod access;
pub(crate) mod documents;
pub(crate) mod events;
pub(crate) mod grant;
pub(crate) mod http;
pub(crate) mod identity;

use service_kit::ids::ProjectId;
use tonic::Status;

/// A message that does not say what it should.
pub(crate) fn malformed(what: &str) -> Status {
    Status::invalid_argument(format!("the message has no valid {what}"))
}

/// Takes what has to be there.
pub(crate) fn required<T>(value: Option<T>, what: &str) -> Result<T, Status> {
    value.ok_or_else(|| malformed(what))
}

pub(crate) fn project(text: &str) -> Result<ProjectId, Status> {
    ProjectId::parse(text).map_err(|_| malformed("project"))
}
