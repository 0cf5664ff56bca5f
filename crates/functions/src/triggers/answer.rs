//! What an answer of a function means for its job: 2xx is the end; anything else is a failed attempt, or none
//! where the call could not begin.

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::BodyExt as _;
use jobs::Outcome;
use std::time::Duration;
use worker_pool::{InvokeError, InvokeResponse, ResponseBody};

/// `no` in an answer: another attempt would fail too.
const RETRY: HeaderName = HeaderName::from_static("x-bunbase-retry");
/// How long a job waits whose version is being replaced.
const REPLACED: Duration = Duration::from_millis(100);

/// What becomes of the job. An answer is one when its body has ended.
pub(super) async fn outcome(answered: Result<InvokeResponse, InvokeError>, invocation_id: &str) -> Outcome {
    let response = match answered {
        Ok(response) => response,
        Err(error) => return failed(&error, invocation_id),
    };
    let outcome = of_head(response.status, &response.headers, invocation_id);
    match drain(response.body).await {
        Err(error) if outcome == Outcome::Done => {
            Outcome::Retry { after: None, error: format!("the answer broke off: {error} ({invocation_id})") }
        }
        _ => outcome,
    }
}

async fn drain(mut body: ResponseBody) -> Result<(), String> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn of_head(status: StatusCode, headers: &HeaderMap, invocation_id: &str) -> Outcome {
    if status.is_success() {
        return Outcome::Done;
    }
    let error = format!("the function answered {} ({invocation_id})", status.as_u16());
    let is_last = headers.get(RETRY).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no"));
    if is_last || status == StatusCode::GONE {
        return Outcome::Fail { error };
    }
    Outcome::Retry { after: wish(headers), error }
}

/// Seconds (RFC 9110 §10.2.3); a date is not a wish.
fn wish(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn failed(error: &InvokeError, invocation_id: &str) -> Outcome {
    match error {
        InvokeError::Overloaded { retry_after } | InvokeError::QueueTimeout { retry_after } => {
            Outcome::Later { after: *retry_after }
        }
        InvokeError::Retired => Outcome::Later { after: REPLACED },
        // A version that does not start any more would be tried for ever: this counts.
        InvokeError::StartFailed { .. }
        | InvokeError::HandlerError { .. }
        | InvokeError::NoResponse { .. }
        | InvokeError::Timeout(_)
        | InvokeError::WorkerCrashed
        | InvokeError::MemoryLimit { .. } => {
            Outcome::Retry { after: None, error: format!("{error} ({invocation_id})") }
        }
        InvokeError::HeadTooLarge { .. } => Outcome::Fail { error: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(status: u16, header: Option<(HeaderName, &'static str)>) -> Outcome {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
        of_head(StatusCode::from_u16(status).unwrap(), &headers, "inv_1")
    }

    #[test]
    fn only_a_success_ends_a_job() {
        assert_eq!(of(204, None), Outcome::Done);
        for status in [301, 404, 500] {
            assert!(matches!(of(status, None), Outcome::Retry { after: None, .. }), "{status}");
        }
    }

    #[test]
    fn a_function_says_when_and_whether_again() {
        let seven = Some(Duration::from_secs(7));
        assert!(matches!(of(503, Some((RETRY_AFTER, "7"))), Outcome::Retry { after, .. } if after == seven));
        assert!(matches!(of(500, Some((RETRY, "No"))), Outcome::Fail { .. }));
        assert!(matches!(of(410, None), Outcome::Fail { .. }));
    }

    #[test]
    fn a_call_that_did_not_begin_is_no_attempt() {
        let after = Duration::from_secs(2);
        assert_eq!(
            failed(&InvokeError::Overloaded { retry_after: after }, "inv_1"),
            Outcome::Later { after }
        );
        assert!(matches!(failed(&InvokeError::WorkerCrashed, "inv_1"), Outcome::Retry { .. }));
    }
}
