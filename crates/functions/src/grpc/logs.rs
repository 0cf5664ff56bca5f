//! What a function logged, and with `follow` what it logs from then on.

use super::{Calls, Streamed, wire};
use crate::http::project_of;
use crate::tail::{Ending, Reader};
use futures_util::{StreamExt, stream};
use ports::access::Action;
use rpc::api_status;
use run_log::{Level, LogPage, LogQuery, StoredLine};
use service_kit::error::{ApiError, ErrorCode};
use tokio::sync::mpsc;
use tonic::{Request, Status};

/// Lines that are there already, where a call does not say how many.
const LINES_DEFAULT: usize = 100;
/// Lines that wait for a reader.
const WAITING_MAX: usize = 64;

type Line = Result<wire::LogLine, Status>;

impl Calls {
    pub(super) async fn stream_logs(
        &self,
        request: Request<wire::LogsRequest>,
    ) -> Result<Streamed<wire::LogLine>, ApiError> {
        let (metadata, _, message) = request.into_parts();
        let (grant, standing) = self.admit(&metadata, Action::FunctionLogs).await?;
        let project = project_of(grant)?;
        let (name, follow) = (message.function.clone(), message.follow);
        let wanted = wanted(message, self.service.logs.query_lines_max())?;
        if !follow {
            let page = self.service.logs(&project, &name, wanted).await?;
            return Ok(Box::pin(stream::iter(lines(page))));
        }
        let followed = (project.clone(), name.clone());
        let (mut tail, ticket) = self.service.open_tail(followed, wanted.clone(), standing).await?;
        let page = self.service.logs(&project, &name, wanted).await?;
        tail.lines.after = Some(page.next.unwrap_or(0));
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(tail.run(sender));
        let followed = stream::unfold((receiver, ticket), async |(mut receiver, ticket)| {
            let line: Line = receiver.recv().await?;
            Some((line, (receiver, ticket)))
        });
        Ok(Box::pin(stream::iter(lines(page)).chain(followed)))
    }
}

fn wanted(message: wire::LogsRequest, lines_max: usize) -> Result<LogQuery, ApiError> {
    let invalid = |message: String| ApiError::new(ErrorCode::InvalidRequest, message);
    let limit = message.limit.map_or(LINES_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if !(1..=lines_max).contains(&limit) {
        return Err(invalid(format!("`limit` is 1 to {lines_max}")));
    }
    let level = message.level.map(|text| {
        Level::parse(&text).ok_or_else(|| invalid("`level` is debug, info, warn or error".to_owned()))
    });
    Ok(LogQuery {
        invocation_id: message.invocation_id,
        version: message.version,
        level: level.transpose()?,
        text: message.text,
        limit,
        after: message.after,
        ..LogQuery::default()
    })
}

fn lines(page: LogPage) -> impl Iterator<Item = Line> {
    page.lines.into_iter().map(|line| Ok(put(line)))
}

fn put(line: StoredLine) -> wire::LogLine {
    wire::LogLine {
        cursor: line.cursor,
        at_ms: line.at_ms,
        level: line.level.as_str().to_owned(),
        message: line.message,
        fields: line.fields,
        invocation_id: line.invocation_id,
        version: line.version,
    }
}

impl Reader for mpsc::Sender<Line> {
    async fn take(&self, line: StoredLine) {
        // Nobody reads any more: `Tail` sees it.
        let _gone = self.send(Ok(put(line))).await;
    }

    /// HTTP/2 has pings of its own.
    fn heartbeat(&self) {}

    async fn gone(&self) {
        self.closed().await;
    }

    async fn end(&self, ending: Ending) {
        let error = match ending {
            Ending::ShuttingDown => ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"),
            Ending::Unavailable => {
                ApiError::new(ErrorCode::Unavailable, "the log cannot be read at the moment")
            }
            Ending::Revoked => {
                ApiError::new(ErrorCode::Unauthenticated, "what let this stream in was revoked")
            }
            Ending::FunctionDeleted => ApiError::new(ErrorCode::FunctionNotFound, "the function was removed"),
        };
        let _gone = self.send(Err(api_status(&error))).await;
    }
}
