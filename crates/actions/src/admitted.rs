//! A call that passed the guards that are decided here: from its body to what the handler is called with.

use crate::application::{Admitted, Before, Call, Taken, Trail};
use crate::context::{BodyKind, Context, TriggerKind};
use crate::guards::{Passed, Refused};
use crate::input::{Assembled, BodyType, Parts, body_type, json, not_json, takes_body};
use crate::schema::{FieldError, Schema};
use crate::state::Auth;
use bytes::Bytes;
use http::header;
use serde_json::Value;
use service_kit::error::{ApiError, ErrorCode};
use std::sync::Arc;

/// An input that stands in the header or the body, and whether it was checked.
#[derive(Default)]
struct Ready {
    input: Option<Value>,
    fields: Option<Value>,
    body: Option<Bytes>,
    is_raw: bool,
    is_checked: bool,
}

impl Ready {
    /// The input as JSON; `whole` is the body that came.
    fn input_text(&self, whole: Option<Bytes>) -> Option<Bytes> {
        match &self.input {
            _ if self.is_raw => None,
            Some(input) => serde_json::to_vec(input).ok().map(Bytes::from),
            None => self.body.clone().or(whole),
        }
    }
}

impl Admitted<'_> {
    /// Who calls, as the guards left it.
    pub fn auth(&self) -> Option<&Arc<Auth>> {
        self.passed.state.auth.as_ref()
    }

    /// Whether [`prepare`](Self::prepare) is to be given the whole body: JSON and forms. Others go to the handler as
    /// they come.
    pub fn wants_body(&self) -> bool {
        let has_input = takes_body(self.call.method) || self.call.trigger != TriggerKind::Api;
        let is_readable = self.call.trigger != TriggerKind::Api
            || matches!(body_type(self.call.headers), Ok(BodyType::Json | BodyType::Form));
        has_input && is_readable && !self.is_raw()
    }

    /// Puts the input together and checks it.
    ///
    /// # Errors
    /// `invalid_input` with `[{path, message}]`, `invalid_json`, `unsupported_media_type`.
    pub fn prepare(self, body: Taken) -> Result<Before, Refused> {
        let whole = match &body {
            Taken::Whole(whole) => Some(whole.clone()),
            Taken::Streamed => None,
        };
        match self.ready(body) {
            Ok(ready) => self.before(ready, whole).map_err(Refused::from),
            Err(error) => Err(Refused { error, headers: Box::new(self.passed.headers) }),
        }
    }

    fn is_raw(&self) -> bool {
        let is_mapped = self.call.index.is_some_and(|index| self.handler.spec.action.mapped.contains(&index));
        is_mapped || self.call.trigger == TriggerKind::Webhook
    }

    fn ready(&self, body: Taken) -> Result<Ready, ApiError> {
        if self.is_raw() {
            return Ok(Ready { is_raw: true, ..Ready::default() });
        }
        let is_request = self.call.trigger == TriggerKind::Api;
        let Taken::Whole(body) = body else { return self.streamed() };
        if !is_request {
            return self.check_body(&body);
        }
        let trigger = self.call.index.unwrap_or(usize::MAX);
        match self.handler.plan.assemble(trigger, self.parts(), &body)? {
            Assembled::Body => self.check_body(&body),
            Assembled::Beside(fields) => Ok(Ready { fields: Some(fields), is_raw: true, ..Ready::default() }),
            Assembled::Value(mut value) => {
                let is_checked = self.check(&mut value)?;
                // A query fits into a header; a body may not.
                if body.is_empty() || !takes_body(self.call.method) {
                    return Ok(Ready { input: Some(value), is_checked, ..Ready::default() });
                }
                let text = serde_json::to_vec(&value).map_err(|error| not_json(&error))?;
                Ok(Ready { body: Some(text.into()), is_checked, ..Ready::default() })
            }
        }
    }

    /// A body that was not taken: a multipart form goes to Bun with what came beside it.
    fn streamed(&self) -> Result<Ready, ApiError> {
        if !takes_body(self.call.method) {
            return self.ready(Taken::Whole(Bytes::new()));
        }
        body_type(self.call.headers)?;
        let fields = match self.handler.plan.assemble(usize::MAX, self.parts(), &Bytes::new())? {
            Assembled::Value(fields) => Some(fields),
            Assembled::Body | Assembled::Beside(_) => None,
        };
        Ok(Ready { fields, is_raw: true, ..Ready::default() })
    }

    fn parts(&self) -> Parts<'_> {
        let Call { method, headers, query, path, .. } = self.call;
        Parts { method, headers, query, path }
    }

    /// A body that is the input; nothing is an object without fields.
    fn check_body(&self, body: &Bytes) -> Result<Ready, ApiError> {
        if body.is_empty() {
            let mut value = Value::Object(serde_json::Map::new());
            let is_checked = self.check(&mut value)?;
            return Ok(Ready { input: Some(value), is_checked, ..Ready::default() });
        }
        let Schema::Portable(schema) = &self.handler.schema else {
            json(body)?;
            return Ok(Ready::default());
        };
        let checked = schema.check_text(body).map_err(|error| not_json(&error))?;
        if !checked.errors.is_empty() {
            return Err(invalid(&checked.errors));
        }
        Ok(Ready { body: checked.input, is_checked: true, ..Ready::default() })
    }

    fn check(&self, value: &mut Value) -> Result<bool, ApiError> {
        let Schema::Portable(schema) = &self.handler.schema else { return Ok(false) };
        schema.check(value).map(|_| true).map_err(|errors| invalid(&errors))
    }

    fn before(self, ready: Ready, whole: Option<Bytes>) -> Result<Before, ApiError> {
        let Self { call, passed, .. } = self;
        let Passed { state, count, headers } = passed;
        let index = call.index.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1);
        let context = Context {
            trigger: call.trigger,
            index,
            trace_id: call.trace_id,
            invocation_id: call.invocation_id,
            request_id: call.request_id,
            auth: state.auth.as_deref(),
            org: state.org.as_deref(),
            guards: count,
            input: ready.input.as_ref(),
            fields: ready.fields.as_ref(),
            body: if ready.is_raw { BodyKind::Raw } else { BodyKind::Json },
            checked: ready.is_checked,
            attempt: call.attempt,
            job: call.job.as_ref(),
            event: call.event.as_ref(),
            ip: call.ip,
        };
        let context = context.header().map_err(|error| ApiError::internal(&error))?;
        let agent = call.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let trail = Trail {
            session_id: state.auth.as_ref().and_then(|auth| auth.session_id.clone()),
            is_request: matches!(call.trigger, TriggerKind::Api | TriggerKind::Webhook),
            is_secure: call.is_secure,
            ip: call.ip,
            user_agent: agent.map(str::to_owned),
        };
        let input = ready.input_text(whole);
        Ok(Before { context, body: ready.body, input, headers, trail })
    }
}

fn invalid(errors: &[FieldError]) -> ApiError {
    let first = errors.first().map(|error| format!(": {} at `{}`", error.message, error.path));
    let message = format!("the input does not fit its schema{}", first.unwrap_or_default());
    ApiError::new(ErrorCode::InvalidInput, message).with_details(serde_json::json!(errors))
}
