//! `bunbase serve`: settings, composition, ready, drain. Exit code 0 after a drain.

use crate::compose::{self, Composed, Services, Surroundings};
use crate::data_dir::DataDir;
use crate::settings::Settings;
use anyhow::Context as _;
use gateway::{Listener, UnixListener};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rpc::Service;
use service_kit::drain::Drain;
use service_kit::telemetry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Flags of `bunbase serve`; each also by environment and, with all other settings, in the file.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where everything is kept [default: .bunbase/data]
    #[arg(long, env = "BUNBASE_DATA_DIR", value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address and port of the one listener [default: 127.0.0.1:3001]
    #[arg(long, env = "BUNBASE_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// A Unix socket that answers beside it, for programs of the same user [default: none]
    #[arg(long, env = "BUNBASE_SOCKET", value_name = "FILE")]
    pub(crate) socket: Option<PathBuf>,
    /// Services that this process runs, with commas between them [default: all]
    #[arg(long, env = "BUNBASE_SERVICES", value_name = "SERVICES", value_delimiter = ',', value_parser = service)]
    pub(crate) services: Option<Vec<Service>>,
    /// The Unix socket of the event broker [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) buncast_socket: Option<PathBuf>,
    /// A TOML file with settings (docs/configuration.md)
    #[arg(long, env = "BUNBASE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Who may register once set-up is done: open, invite or closed [default: invite]
    #[arg(long, env = "BUNBASE_REGISTRATION", value_name = "MODE")]
    pub(crate) registration: Option<String>,
    /// The Bun executable [default: beside bunbase, node_modules, PATH]
    #[arg(long, env = "BUNBASE_BUN_PATH", value_name = "FILE")]
    pub(crate) bun_path: Option<PathBuf>,
    /// What to log, as in RUST_LOG [default: info]
    #[arg(long, env = "BUNBASE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How log lines look: text or json [default: text]
    #[arg(long, env = "BUNBASE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

/// For `clap`.
fn service(text: &str) -> Result<Service, String> {
    let names = || Service::ALL.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
    Service::parse(text).ok_or_else(|| format!("there is no service {text:?}; there are {}", names()))
}

/// Upper bounds of the histograms of durations, in seconds.
const DURATION_BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];
/// A signal so soon after the one before is the same wish, delivered twice (to the process and to its group).
const SIGNAL_ECHO: Duration = Duration::from_millis(500);
/// How often histograms are folded up.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Runs a server until it is told to end.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let settings = Settings::load(args)?;
    telemetry::init(&settings.log.filter, settings.log.format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(settings, started))
}

async fn serve(settings: Settings, started: Instant) -> anyhow::Result<()> {
    let listener = Listener::bind(settings.gateway.listen).await?;
    let beside = settings.gateway.socket.as_deref().map(|path| format!(" and unix:{}", path.display()));
    let mut server = Server::start(settings, listener).await?;
    println!(
        "BunBase {} is ready on http://{}{} ({} ms)",
        env!("CARGO_PKG_VERSION"),
        server.address,
        beside.unwrap_or_default(),
        started.elapsed().as_millis()
    );
    server.told_to_end().await;
    server.drain().await
}

/// A server that takes requests.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What runs in it.
    pub(crate) services: Services,
    data: DataDir,
    drain: Drain,
    serving: JoinHandle<()>,
    ends: mpsc::Receiver<()>,
}

impl Server {
    /// Starts everything and answers on `listener`, and on the Unix socket that the settings name.
    pub(crate) async fn start(mut settings: Settings, listener: Listener) -> anyhow::Result<Self> {
        let metrics = install_metrics()?;
        let data = DataDir::open(&settings.data_dir)?;
        let address = listener.address()?;
        let unix = settings.gateway.socket.as_deref().map(UnixListener::bind).transpose()?;
        let drain = Drain::new();
        settings.gateway.listen = address;
        let around = Surroundings { data: &data, drain: drain.clone(), metrics };
        let Composed { gateway, services } = compose::compose(settings, around).await?;
        let ends = signals()?;
        let serving = tokio::spawn(async move {
            match unix {
                Some(unix) => {
                    tokio::join!(listener.serve(gateway.clone()), unix.serve(gateway));
                }
                None => listener.serve(gateway).await,
            }
        });
        Ok(Self { address, services, data, drain, serving, ends })
    }

    /// Waits for SIGINT or SIGTERM.
    pub(crate) async fn told_to_end(&mut self) {
        self.ends.recv().await;
    }

    /// Lets calls in flight end, then ends; at once where it is told so again.
    pub(crate) async fn drain(mut self) -> anyhow::Result<()> {
        tracing::info!(in_flight = self.drain.in_flight(), "draining; press Ctrl-C again to end at once");
        self.drain.start();
        tokio::select! {
            () = async {
                if let Err(error) = self.serving.await {
                    tracing::error!(%error, "the listener failed");
                }
                self.services.shutdown().await;
            } => {}
            _ = self.ends.recv() => anyhow::bail!("ended at once; calls in flight were cut"),
        }
        drop(self.data);
        tracing::info!("stopped");
        Ok(())
    }
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets(DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics cannot be collected")?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(METRICS_UPKEEP);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// One message for each SIGINT or SIGTERM, echoes left out.
fn signals() -> anyhow::Result<mpsc::Receiver<()>> {
    let (send, receive) = mpsc::channel(2);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut last: Option<Instant> = None;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if last.replace(Instant::now()).is_some_and(|last| last.elapsed() < SIGNAL_ECHO) {
                continue;
            }
            if send.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receive)
}
