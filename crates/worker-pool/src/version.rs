//! One version.
use crate::{InvokeError, InvokeRequest, InvokeResponse, VersionStats};
/// The workers of one function version.
#[derive(Debug)]
pub struct VersionPool {}
impl VersionPool {
    /// Calls the function.
    pub async fn invoke(&self, _call: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        Err(InvokeError::Retired)
    }
    /// Takes no more calls, waits for those in flight, ends the workers.
    pub async fn retire(&self) {}
    /// What the version is doing.
    pub fn stats(&self) -> VersionStats {
        VersionStats::default()
    }
}
