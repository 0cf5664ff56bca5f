//! What Studio does: runs actions, again or for the first time, and jobs and schedules.

use super::look::{Identified, Named, job_id, name_of, no_action};
use super::{Answer, Subject, view, whole};
use crate::front::{Cause, Origin, body_of, explain};
use actions::{Auth, TriggerKind};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderValue, Method};
use jobs::JobsError;
use run_log::Trigger;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::InvocationId;
use std::sync::Arc;
use std::time::Instant;
use worker_pool::{CalledHandler, InvokeError, InvokeRequest, InvokeResponse, ResponseBody};

const URL: &str = "http://localhost/";
/// What of Studio's own request an action does not see.
const NOT_THE_ACTIONS: [http::HeaderName; 6] =
    [ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, IF_NONE_MATCH];

#[derive(Deserialize)]
pub(super) struct RunWanted {
    name: String,
    #[serde(default)]
    input: Option<Value>,
    /// Id or e-mail address of the user as whom it runs.
    #[serde(default, rename = "as")]
    runs_as: Option<String>,
}

impl Subject {
    pub(super) async fn run_action(self, wanted: RunWanted) -> Result<Answer, ApiError> {
        let RunWanted { name, input, runs_as } = wanted;
        let input = input.unwrap_or_else(|| json!({}));
        Ok(whole(self.execute(&name, &input, runs_as.as_deref()).await?))
    }

    pub(super) async fn rerun(self, Identified { id }: Identified) -> Result<Answer, ApiError> {
        let found = self.stored_run(&id).await?.run;
        let refused =
            |why: &str| Err(ApiError::new(ErrorCode::Conflict, format!("the run cannot be repeated: {why}")));
        let Some(input) = &found.input else { return refused("its input was not kept") };
        if input.is_redacted {
            return refused("secrets were taken out of its input; run the action with a new one");
        }
        if input.is_truncated {
            return refused("its input was too long to be kept; run the action with a new one");
        }
        let name = found.handler.as_deref().unwrap_or_default();
        Ok(whole(self.execute(name, &input.value(), None).await?))
    }

    /// Runs an action as whoever asks, or as a user that they name: through its own guards, and with a record of its own.
    async fn execute(&self, name: &str, input: &Value, runs_as: Option<&str>) -> Result<Value, ApiError> {
        if self.asked.application.place(name).is_none() {
            let is_own = self.asked.application.actions().iter().any(|action| name_of(action) == name);
            let message = format!("\"{name}\" is Studio's own: ask its path");
            return Err(if is_own {
                ApiError::new(ErrorCode::InvalidInput, message)
            } else {
                no_action(name)
            });
        }
        let target = (&*self.name, name);
        let entered = self.executor.registry.enter_inside(&self.project, target);
        let entered = entered.map_err(crate::error::FunctionsError::into_api)?;
        let (identity, headers) = self.caller(runs_as).await?;
        let run_id: Arc<str> = InvocationId::generate().into();
        let request = InvokeRequest {
            invocation_id: run_id.clone(),
            // The executor knows its place.
            handler: CalledHandler::default(),
            method: Method::POST,
            url: URL.to_owned(),
            headers,
            body: body_of(input.to_string().into()),
            deadline: None,
        };
        let origin = Origin { trigger: Trigger::Call, handler: Some(name.into()), ..Origin::HTTP };
        let cause = Cause { kind: TriggerKind::Call, trigger: None, job: None, event: None, identity };
        let started = Instant::now();
        let answered = self.executor.run_triggered((entered, origin), request, cause).await;
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut outcome = outcome(answered);
        outcome["run_id"] = (&*run_id).into();
        outcome["duration_ms"] = view::ms(duration_us).into();
        Ok(outcome)
    }

    /// Behind a developer's token the user who is named, or that of the session that came along: then the action runs as
    /// that user.
    async fn caller(&self, runs_as: Option<&str>) -> Result<(Option<Arc<Auth>>, HeaderMap), ApiError> {
        let mut headers = self.asked.headers.clone();
        for name in NOT_THE_ACTIONS {
            headers.remove(name);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let Some(developer) = &self.asked.identity else {
            return match runs_as {
                None => Ok((None, headers)),
                Some(_) => {
                    let message =
                        "only the developer's token runs an action as somebody else: leave out `as`";
                    Err(ApiError::new(ErrorCode::Forbidden, message))
                }
            };
        };
        headers.remove(AUTHORIZATION);
        let stages = self.asked.application.stages(&self.asked.pool).await?;
        if let Some(named) = runs_as {
            let missing = || {
                let message =
                    format!("no user has the id or e-mail address \"{named}\": see the table `users`");
                ApiError::new(ErrorCode::NotFound, message)
            };
            headers.remove(COOKIE);
            return Ok((Some(stages.user(named).await?.ok_or_else(missing)?), headers));
        }
        let user = stages.identify(&headers, self.asked.is_secure()).await?;
        Ok((Some(user.unwrap_or_else(|| developer.clone())), headers))
    }

    pub(super) async fn retry_job(self, Identified { id }: Identified) -> Result<Answer, ApiError> {
        let (triggers, id) = (self.triggers()?, job_id(&id)?);
        let job = triggers.jobs.dead_job(&self.project, &id).await?;
        if !self.has_queue(triggers, &job.spec.queue) {
            return Err(JobsError::JobNotFound.into());
        }
        triggers.jobs.replay(&self.project, &id).await?;
        Ok(whole(json!({ "id": id.as_str() })))
    }

    /// A job that waits or runs, or a dead letter.
    pub(super) async fn cancel_job(self, Identified { id }: Identified) -> Result<Answer, ApiError> {
        let (triggers, id) = (self.triggers()?, job_id(&id)?);
        let (queue, is_dead) = match triggers.jobs.job(&self.project, &id).await {
            Ok(job) => (job.spec.queue, false),
            Err(JobsError::JobNotFound) => {
                (triggers.jobs.dead_job(&self.project, &id).await?.spec.queue, true)
            }
            Err(error) => return Err(error.into()),
        };
        if !self.has_queue(triggers, &queue) {
            return Err(JobsError::JobNotFound.into());
        }
        if is_dead {
            triggers.jobs.discard(&self.project, &id).await?;
        } else {
            triggers.jobs.cancel(&self.project, &id).await?;
        }
        Ok(whole(json!({ "id": id.as_str() })))
    }

    pub(super) async fn run_schedule(self, Named { name }: Named) -> Result<Answer, ApiError> {
        let triggers = self.triggers()?;
        let name = jobs::ScheduleName::parse(&name)?;
        let schedule = triggers.jobs.schedule(&self.project, &name).await?;
        if *crate::triggers::ScheduleView::from(schedule).function != *self.name {
            return Err(JobsError::ScheduleNotFound.into());
        }
        let job = triggers.jobs.run_schedule(&self.project, &name).await?;
        Ok(whole(json!({ "job_id": job.id.to_string() })))
    }
}

/// What a run came to. What comes in pieces is not waited for: dropping it ends it.
fn outcome(answered: Result<InvokeResponse, InvokeError>) -> Value {
    let response = match answered {
        Ok(response) => response,
        Err(error) => {
            let (told, _) = explain(&error);
            let error = json!({ "code": told.code.as_str(), "message": told.message });
            return json!({ "status": "error", "error": error });
        }
    };
    let body = match &response.body {
        ResponseBody::Full(body) => body,
        ResponseBody::Stream(_) => return json!({ "status": "success", "output": null, "streamed": true }),
    };
    let mut said: Value = serde_json::from_slice(body).unwrap_or_default();
    if response.status.is_client_error() || response.status.is_server_error() {
        let plain =
            json!({ "code": format!("http_{}", response.status.as_u16()), "message": "the action failed" });
        let error = said.get_mut("error").map(Value::take).filter(Value::is_object).unwrap_or(plain);
        return json!({ "status": "error", "error": error });
    }
    let output = match said.get_mut("data") {
        Some(data) => data.take(),
        None => said,
    };
    json!({ "status": "success", "output": output })
}
