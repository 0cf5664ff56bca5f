//! `functions invoke`: one call, the function's answer on standard output.

use crate::cli::api::{Api, CallError, parse_refusal};
use crate::cli::context::Context;
use crate::cli::failure::{AlreadySaid, UsageError};
use crate::cli::output::{Colour, Output};
use anyhow::{Context as _, bail};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::{Map, Value, json};
use service_kit::error::ErrorCode;
use std::io::{self, Read, Write};
use std::time::Duration;

/// The function's own deadline is the server's business; this is for a server that is silent.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Arguments of `bunbase functions invoke`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bunbase functions invoke hello '?name=Ada'\n  bunbase functions invoke shop /orders -d '{\"item\": 7}'\n  bunbase functions invoke shop /orders -X PUT -d @order.json -H 'x-trace: 1'"
)]
pub(crate) struct InvokeArgs {
    /// Name of the function
    name: String,
    /// Path and query behind its name
    path: Option<String>,
    /// HTTP method [default: GET, with --data POST]
    #[arg(short = 'X', long)]
    method: Option<Method>,
    /// Body: text, @file, or - for standard input
    #[arg(short, long, value_name = "BODY", allow_hyphen_values = true)]
    data: Option<String>,
    /// Header, as `name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(crate) async fn run(context: &Context, args: InvokeArgs) -> anyhow::Result<()> {
    let body = args.data.as_deref().map(read_body).transpose()?;
    let project = context.project().await?;
    let base = format!("{}{}", project.api.origin(), project.call_path(&args.name)?);
    let path = with_suffix(&base, args.path.as_deref().unwrap_or_default())?;
    let path = path.strip_prefix(project.api.origin()).unwrap_or(&path);
    let default_method = if body.is_some() { Method::POST } else { Method::GET };
    let request = project.api.request(args.method.unwrap_or(default_method), path).timeout(INVOKE_TIMEOUT);
    // The run says so where a developer's session or token makes the call.
    let request = request.header("x-bunbase-trigger", "cli");
    let response = project.api.exchange(with_content(request, args.headers, body)).await?;
    show(context.output, &project.api, response).await
}

fn with_content(
    mut request: RequestBuilder,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Vec<u8>>,
) -> RequestBuilder {
    if body.is_some() && headers.iter().all(|(name, _)| name != CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    match body {
        Some(body) => request.body(body),
        None => request,
    }
}

/// `base` with the caller's path and query behind it; `..` must not lead out of the function.
fn with_suffix(base: &str, suffix: &str) -> anyhow::Result<String> {
    let separator = if suffix.is_empty() || suffix.starts_with(['?', '/']) { "" } else { "/" };
    let (root, url) = (Url::parse(base)?, Url::parse(&format!("{base}{separator}{suffix}"))?);
    let is_inside =
        url.path().strip_prefix(root.path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !is_inside {
        bail!(UsageError(format!("{suffix:?} leads out of the function")));
    }
    Ok(url.into())
}

pub(crate) fn read_body(data: &str) -> anyhow::Result<Vec<u8>> {
    if data == "-" {
        let mut body = Vec::new();
        io::stdin().lock().read_to_end(&mut body).context("could not read standard input")?;
        return Ok(body);
    }
    match data.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("could not read {file}")),
        None => Ok(data.as_bytes().to_vec()),
    }
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("{text:?} is not a header; write it as `name: value`");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
    Ok((name, HeaderValue::try_from(value.trim()).map_err(|_| wrong())?))
}

async fn show(output: Output, api: &Api, response: Response) -> anyhow::Result<()> {
    let status = response.status();
    if status.as_u16() >= 400 {
        return show_failure(output, api, response).await;
    }
    if output.is_json() { show_json(output, api, response).await } else { stream(api, response).await }
}

/// An error of the server is told like any other; an answer of the function is its own.
async fn show_failure(output: Output, api: &Api, response: Response) -> anyhow::Result<()> {
    let status = response.status();
    let head = head_of(&response);
    let body = response.bytes().await.map_err(|source| api.broken(source))?;
    let refusal = parse_refusal(status.as_u16(), &body);
    if let Some(refusal) =
        refusal.filter(|refusal| ErrorCode::ALL.iter().any(|code| code.as_str() == refusal.code))
    {
        bail!(CallError::Refused(Box::new(refusal)));
    }
    if output.is_json() {
        output.line(whole(head, &body))?;
    } else {
        write_out(&body)?;
    }
    output.progress(output.paint_err(Colour::Red, format_args!("the function answered {status}")));
    bail!(AlreadySaid)
}

async fn show_json(output: Output, api: &Api, response: Response) -> anyhow::Result<()> {
    let head = head_of(&response);
    let body = response.bytes().await.map_err(|source| api.broken(source))?;
    Ok(output.line(whole(head, &body))?)
}

async fn stream(api: &Api, mut response: Response) -> anyhow::Result<()> {
    let mut last = None;
    while let Some(chunk) = response.chunk().await.map_err(|source| api.broken(source))? {
        last = chunk.last().copied().or(last);
        write_out(&chunk)?;
    }
    if last.is_some_and(|byte| byte != b'\n') && io::IsTerminal::is_terminal(&io::stdout()) {
        write_out(b"\n")?;
    }
    Ok(())
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn head_of(response: &Response) -> Value {
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    json!({ "status": response.status().as_u16(), "headers": headers })
}

/// The answer as one JSON object; a body that is JSON stands in it as such.
fn whole(mut head: Value, body: &[u8]) -> String {
    let parsed = serde_json::from_slice(body);
    head["body"] = parsed.unwrap_or_else(|_| String::from_utf8_lossy(body).into());
    format!("{head:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_stay_behind_the_function() {
        let base = "http://h:1/v1/functions/hello";
        for (suffix, url) in [
            ("", "http://h:1/v1/functions/hello"),
            ("?a=1", "http://h:1/v1/functions/hello?a=1"),
            ("/x?a=1", "http://h:1/v1/functions/hello/x?a=1"),
            ("x/../y", "http://h:1/v1/functions/hello/y"),
        ] {
            assert_eq!(with_suffix(base, suffix).unwrap(), url);
        }
        for suffix in ["/../other", "/%2e%2e/other", "/x/../../other"] {
            assert!(with_suffix(base, suffix).unwrap_err().is::<UsageError>(), "{suffix}");
        }
    }

    #[test]
    fn headers_are_name_colon_value() {
        let (name, value) = parse_header("X-Trace:  1 ").unwrap();
        assert_eq!((name.as_str(), value.as_bytes()), ("x-trace", &b"1"[..]));
        assert!(parse_header("nonsense").is_err());
        assert!(parse_header("a b: c").is_err());
    }

    #[test]
    fn a_json_body_is_told_as_json_and_text_as_text() {
        let told = |body: &[u8]| serde_json::from_str::<Value>(&whole(json!({"status": 200}), body)).unwrap();
        assert_eq!(told(br#"{"a":1}"#)["body"]["a"], 1);
        assert_eq!(told(b"plain")["body"], "plain");
    }
}
