//! The peer of the document benchmarks: PostgreSQL jsonb behind a small axum server that answers the same
//! routes. It checks no key and no rule, and passes JSON through without taking it apart.

mod routes;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Arguments of `bench-load pg-server`.
#[derive(Debug, clap::Args)]
pub(crate) struct PgServerArgs {
    /// Address to listen on
    #[arg(long)]
    listen: SocketAddr,
    /// Connection string, as `host=/run/postgresql user=postgres`
    #[arg(long)]
    postgres: String,
    /// Connections for writes; each write has one to itself, so commits share an fsync
    #[arg(long, default_value_t = 64)]
    write_connections: usize,
    /// Connections for reads; reads are pipelined on them
    #[arg(long, default_value_t = 4)]
    read_connections: usize,
}

/// Serves until the process is stopped.
pub(crate) async fn run(args: PgServerArgs) -> anyhow::Result<()> {
    let store = store::Store::open(&args.postgres, args.write_connections, args.read_connections).await?;
    let listener = TcpListener::bind(args.listen).await?;
    axum::serve(listener, routes::router(Arc::new(store))).await?;
    Ok(())
}
