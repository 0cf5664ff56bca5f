//! `functions dev`: a whole server on the data of one directory, whose functions follow each save. What is deployed,
//! called, triggered and logged goes the ways of `bunbase serve` and `functions deploy`.

mod account;
mod console;
mod follow;
mod place;
mod running;
mod shared;
mod variables;
mod watch;

use super::bundle::{Bundler, find_bun};
use crate::cli::application::{Application, RunsBuffer, Wanted};
use crate::cli::context::{Context, Project};
use crate::cli::failure::UsageError;
use crate::serve::{ServeArgs, Server};
use crate::settings::Settings;
pub(crate) use account::kept;
use anyhow::{Context as _, bail};
use console::Console;
use gateway::{BindError, Listener};
pub(crate) use place::Mode;
use place::Place;
use rpc::Service;
use running::Functions;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::ids::ProjectId;
use service_kit::telemetry;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;
use variables::Variables;
use watch::Watch;
use worker_pool::BunBinary;

/// Tried first.
const PORT: u16 = 3000;
/// Ports that are tried after it.
const PORTS_MAX: u16 = 100;
/// Versions of a function that are kept: each save makes one.
const VERSIONS_MAX: usize = 3;
/// What the server itself says; its functions have their own lines.
const LOG_FILTER: &str = "warn";

/// Arguments of `bunbase functions dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bunbase dev\n  bunbase functions dev ./shop --listen 127.0.0.1:4000")]
pub(crate) struct DevArgs {
    /// A file, the directory of a function, or a directory that holds functions/
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Address and port of this machine [default: 127.0.0.1:3000, or the next port that is free]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Arguments of `bunbase start`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  bunbase start ./my-app --listen 0.0.0.0:8080")]
pub(crate) struct StartArgs {
    /// The directory of an application
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Address and port [default: `hostname` and `port` of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs until Ctrl-C, and follows what is saved.
pub(crate) async fn run(context: &Context, args: DevArgs) -> anyhow::Result<()> {
    let place = Place::open(&args.path, Mode::Dev)?;
    let bun = find_bun()?;
    let application = Application::open(&place.path, &bun).await?;
    let port = application.as_ref().map_or(PORT, |application| application.config().port);
    let listener = listen(args.listen, port).await?;
    serve(Console::new(context.output), (place, application, bun), listener, Then::Follow).await
}

/// Runs an application as it is until Ctrl-C; what cannot be loaded ends it.
pub(crate) async fn start(context: &Context, args: StartArgs) -> anyhow::Result<()> {
    let place = Place::open(&args.path, Mode::Production)?;
    let application = Application::expect(&place.path).await?;
    let bun = application.bun().clone();
    let listener = Listener::bind(args.listen.map_or_else(|| application.config().address(), Ok)?).await?;
    serve(Console::new(context.output), (place, Some(application), bun), listener, Then::Stay).await
}

/// Runs an application for one call; what is said meanwhile goes to standard error.
pub(crate) async fn serve_once(
    context: &Context,
    application: Application,
    mode: Mode,
    wanted: &Wanted,
) -> anyhow::Result<()> {
    let place = Place::open(application.root(), mode)?;
    let bun = application.bun().clone();
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let then = Then::Call(mode, wanted);
    serve(Console::aside(context.output), (place, Some(application), bun), listener, then).await
}

/// What comes after everything was brought to the server.
#[derive(Clone, Copy)]
enum Then<'a> {
    /// Whatever is saved, too.
    Follow,
    /// Calls alone.
    Stay,
    /// One call, and the end.
    Call(Mode, &'a Wanted),
}

impl Then<'_> {
    fn mode(self) -> Mode {
        match self {
            Self::Follow => Mode::Dev,
            Self::Stay => Mode::Production,
            Self::Call(mode, _) => mode,
        }
    }

    /// Whether only who works on the application reaches the server.
    fn is_developers(self) -> bool {
        !matches!(self, Self::Stay)
    }
}

async fn serve(
    console: Console,
    (place, application, bun): (Place, Option<Application>, BunBinary),
    listener: Listener,
    then: Then<'_>,
) -> anyhow::Result<()> {
    let mode = then.mode();
    let started = Instant::now();
    let mut settings = settings(&place, &bun, mode)?;
    if let Some(application) = &application {
        let RunsBuffer { flush_interval_ms, max_buffer_size } = application.config().runs;
        settings.function_logs.flush_interval_ms = flush_interval_ms;
        settings.function_logs.batch_lines_max = max_buffer_size;
        let url = &mut settings.jobs.database_url;
        *url = url.take().or_else(|| application.config().database_url.clone().map(SecretString::from));
    }
    telemetry::init(&settings.log.filter, settings.log.format);
    let mut server = Box::pin(Server::start(settings, listener)).await?;
    let logs = server.services.logs.clone().context("the log of functions was not started")?;
    if let Some(application) = &application {
        shared::agree(&server.services, (application, &place.data, mode), &console).await?;
    }
    let url = format!("http://{}", server.address);
    let executor = server.services.functions.clone();
    let work = Box::pin(async {
        let account = account::open(&url, &place.data).await?;
        let project = Project::of_key(&url, account.key, account.project_id.clone())?;
        if let (Some(_), Some(executor)) = (&application, &executor) {
            executor.put_at_root(ProjectId::parse(&account.project_id)?);
        }
        console.ready((&url, &place.keys()), &account.project_id, started.elapsed())?;
        let api = application.as_ref().and_then(|application| application.config().studio_api.as_deref());
        if let (true, Some(api), Some(executor)) = (then.is_developers(), api, &executor) {
            executor.open_studio(ProjectId::parse(&account.project_id)?, &account.studio_token);
            if matches!(then, Then::Follow) {
                console.studio(&format!("{url}{api}"), account.studio_token.expose_secret())?;
            }
        }
        // Before the first look at the files: what is saved meanwhile is seen.
        let watch = Watch::start(&place.root)?;
        let variables = Variables::new(&project, (&place.root, mode), bun.clone());
        let of = (place.path.clone(), application);
        let bundler = match then {
            Then::Follow => Bundler::staying(bun.clone())?,
            Then::Stay | Then::Call(..) => Bundler::new(bun.clone())?,
        };
        let functions = Functions::new(&project, of, bundler);
        let names = functions.names();
        tokio::select! {
            done = follow_files((functions, variables, watch), (&url, &console), (&place.data, then)) => done,
            done = follow::follow(&logs, (&account.project_id, names), &console) => done,
        }
    });
    let done = tokio::select! {
        () = server.told_to_end() => Ok(()),
        done = work => done,
    };
    let drained = server.drain().await;
    done.and(drained)?;
    console.stopped()
}

/// Brings everything to the server once, and in development then what changes.
async fn follow_files(
    (mut functions, mut variables, mut watch): (Functions<'_>, Variables<'_>, Watch),
    (url, console): (&str, &Console),
    (data, then): (&Path, Then<'_>),
) -> anyhow::Result<()> {
    variables.follow(console).await?;
    functions.migrate(data, console).await?;
    functions.begin(console).await?;
    console.table(url, functions.rows())?;
    if !matches!(then, Then::Follow) && functions.rows().next().is_none() {
        bail!("the application could not be loaded");
    }
    match then {
        Then::Follow => {}
        Then::Stay => return std::future::pending().await,
        Then::Call(_, wanted) => return wanted.ask(data).await,
    }
    loop {
        functions.write_types(data, console).await?;
        let changes = watch.next().await?;
        if changes.paths.iter().any(|path| variables::is_file(path)) {
            variables.follow(console).await?;
        }
        if changes.paths.iter().any(|path| functions.is_migration(path))
            && let Err(error) = functions.migrate(data, console).await
        {
            console.problem(&format!("{error:#}"))?;
        }
        functions.follow(&changes, console).await?;
    }
}

/// Functions are open to everybody here, so only this machine may reach them.
async fn listen(wanted: Option<SocketAddr>, port: u16) -> anyhow::Result<Listener> {
    if let Some(address) = wanted {
        if !address.ip().is_loopback() {
            bail!(UsageError(format!(
                "{address} can be reached from other machines, and functions are public here: use 127.0.0.1"
            )));
        }
        return Ok(Listener::bind(address).await?);
    }
    let last = port.saturating_add(PORTS_MAX - 1);
    for port in port..=last {
        match Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Err(BindError::InUse { .. }) => {}
            bound => return Ok(bound?),
        }
    }
    bail!("the ports {port} to {last} are taken: name another with --listen")
}

/// The settings of every server, with the environment, and what differs here.
fn settings(place: &Place, bun: &BunBinary, mode: Mode) -> anyhow::Result<Settings> {
    let args = ServeArgs {
        data_dir: Some(place.data.clone()),
        bun_path: Some(bun.path().to_owned()),
        log: Some(std::env::var("BUNBASE_LOG").unwrap_or_else(|_| LOG_FILTER.to_owned())),
        ..ServeArgs::default()
    };
    let mut settings = Settings::load(&args)?;
    // Keys and values may be in a process that several servers of an application share.
    let is_elsewhere = |service: &Service| {
        mode == Mode::Production
            && *service == Service::BunderManager
            && settings.rpc.addresses.contains_key(service)
    };
    settings.services = Some(Service::ALL.iter().copied().filter(|service| !is_elsewhere(service)).collect());
    settings.functions.is_one_application = true;
    if mode == Mode::Dev {
        settings.functions.versions_max = VERSIONS_MAX;
        settings.functions.makes_bytecode = false;
        settings.mail.captures_applications = true;
    }
    Ok(settings)
}
