//! Two upgraded connections, joined until one of them ends or the drain begins.

use crate::connection::Place;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use service_kit::drain::Drain;

/// Joins both sides in the background. The client's connection keeps its place meanwhile.
pub(super) fn join(client: OnUpgrade, service: OnUpgrade, place: Place, drain: Drain) {
    tokio::spawn(async move {
        tokio::select! {
            () = drain.started() => {}
            joined = copy(client, service) => {
                if let Err(error) = joined {
                    tracing::debug!(%error, "an upgraded connection ended early");
                }
            }
        }
        drop(place);
    });
}

async fn copy(client: OnUpgrade, service: OnUpgrade) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (client, service) = tokio::try_join!(client, service)?;
    tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(service)).await?;
    Ok(())
}
