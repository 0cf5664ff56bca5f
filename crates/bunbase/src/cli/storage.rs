//! Objects of a project: list, upload, download, remove, hand out.

use super::api::{segment, segments};
use super::context::{Context, Project};
use super::duration;
use super::failure::UsageError;
use super::listing::Listing;
use super::output::printable;
use anyhow::Context as _;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// For one object.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(6 * 3_600);

/// What can be done with objects.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum StorageCommand {
    /// List objects
    List {
        /// Those whose key begins with this
        #[arg(default_value = "")]
        prefix: String,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Go on after an earlier list
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Upload a file
    Put {
        /// The file
        file: PathBuf,
        /// Key of the object [default: the file's name]
        key: Option<String>,
        /// Its media type, such as image/png
        #[arg(long, default_value = "application/octet-stream")]
        content_type: String,
    },
    /// Download an object
    Get {
        /// Key of the object
        key: String,
        /// Where to [default: the last part of the key; - for standard output]
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Remove an object
    Delete {
        /// Key of the object
        key: String,
    },
    /// Make an address that works without a key for a while
    Url {
        /// Key of the object
        key: String,
        /// For uploading in place of downloading
        #[arg(long)]
        put: bool,
        /// How long it works
        #[arg(long, value_name = "TIME", value_parser = duration::seconds, default_value = "1h")]
        expires: u64,
    },
}

pub(crate) async fn run(context: &Context, command: StorageCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let output = context.output;
    match command {
        StorageCommand::List { prefix, limit, cursor } => {
            let mut path = format!("{}?limit={limit}", project.path("storage")?);
            let given = [("prefix", Some(prefix).filter(|prefix| !prefix.is_empty())), ("cursor", cursor)];
            for (name, value) in given {
                if let Some(value) = value {
                    path += &format!("&{name}={}", segment(&value)?);
                }
            }
            let answer: Value = project.api.get(&path).await?;
            let columns =
                [("KEY", "key"), ("BYTES", "size"), ("TYPE", "content_type"), ("CHANGED", "last_modified")];
            let empty = "there is no object; upload one with `bunbase storage put <file>`";
            Ok(Listing { field: "objects", columns: &columns, empty }.show(output, &answer)?)
        }
        StorageCommand::Put { file, key, content_type } => {
            let key = key.map_or_else(|| name_of(&file), Ok)?;
            let answer =
                upload(&project, &Upload { file: &file, key: &key, content_type: &content_type }).await?;
            Ok(output
                .answer(&answer, || format!("{} is stored, {} bytes", printable(&key), answer["size"]))?)
        }
        StorageCommand::Get { key, output: target } => {
            let target = target.map_or_else(|| name_of(Path::new(&key)).map(PathBuf::from), Ok)?;
            let bytes = download(&project, &key, &target).await?;
            if target == Path::new("-") {
                return Ok(());
            }
            let value = json!({ "key": key, "file": target, "size": bytes });
            Ok(output.answer(&value, || format!("{} holds {bytes} bytes", target.display()))?)
        }
        StorageCommand::Delete { key } => {
            project.api.delete(&object(&project, &key)?).await?;
            Ok(output.answer(&json!({ "deleted": key }), || format!("{} is removed", printable(&key)))?)
        }
        StorageCommand::Url { key, put, expires } => {
            let method = if put { "PUT" } else { "GET" };
            let body = json!({ "path": key, "method": method, "expires_in": expires });
            let answer: Value = project.api.post(&project.path("signed-urls")?, &body).await?;
            Ok(output.answer(&answer, || printable(answer["url"].as_str().unwrap_or_default()))?)
        }
    }
}

fn object(project: &Project, key: &str) -> anyhow::Result<String> {
    Ok(format!("{}/{}", project.path("storage")?, segments(key)?))
}

fn name_of(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.ok_or_else(|| UsageError(format!("{} has no name", path.display())))?.to_owned())
}

struct Upload<'a> {
    file: &'a Path,
    key: &'a str,
    content_type: &'a str,
}

async fn upload(project: &Project, upload: &Upload<'_>) -> anyhow::Result<Value> {
    let shown = || format!("could not read {}", upload.file.display());
    let file = tokio::fs::File::open(upload.file).await.with_context(shown)?;
    let size = file.metadata().await.with_context(shown)?.len();
    let bar = progress_bar(Some(size));
    let seen = bar.clone();
    let stream = tokio_util::io::ReaderStream::with_capacity(file, 256 << 10)
        .inspect(move |part| seen.inc(part.as_ref().map_or(0, |bytes| bytes.len() as u64)));
    let request = project
        .api
        .request(Method::PUT, &object(project, upload.key)?)
        .timeout(TRANSFER_TIMEOUT)
        .header("content-type", upload.content_type)
        .header("content-length", size)
        .body(reqwest::Body::wrap_stream(stream));
    let response = project.api.send(request).await;
    bar.finish_and_clear();
    Ok(project.api.read(response?).await?)
}

/// Writes to a file of another name first, so that what stands there is whole or as it was.
async fn download(project: &Project, key: &str, target: &Path) -> anyhow::Result<u64> {
    let request = project.api.request(Method::GET, &object(project, key)?).timeout(TRANSFER_TIMEOUT);
    let response = project.api.send(request).await?;
    let bar = progress_bar(response.content_length());
    let to_output = target == Path::new("-");
    let mut draft = target.as_os_str().to_owned();
    draft.push(".part");
    let mut sink: Box<dyn tokio::io::AsyncWrite + Unpin> = match to_output {
        true => Box::new(tokio::io::stdout()),
        false => Box::new(
            tokio::fs::File::create(&draft)
                .await
                .with_context(|| format!("could not write {}", target.display()))?,
        ),
    };
    let (mut stream, mut bytes) = (response.bytes_stream(), 0);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| project.api.broken(error))?;
        sink.write_all(&part).await?;
        bytes += part.len() as u64;
        bar.inc(part.len() as u64);
    }
    sink.flush().await?;
    drop(sink);
    bar.finish_and_clear();
    if !to_output {
        tokio::fs::rename(&draft, target).await?;
    }
    Ok(bytes)
}

/// On standard error, where that is a terminal.
fn progress_bar(size: Option<u64>) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = size.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
