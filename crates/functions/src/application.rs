//! Applications of actions: a version whose handlers have stages in front of them and behind them.

use crate::manifest::Manifest;
use std::sync::Arc;

/// What stands around the handlers of a version.
#[derive(Debug)]
pub(crate) struct Application;

impl Application {
    /// That of a manifest; `None` where it is a plain function.
    pub(crate) fn of(manifest: &Manifest) -> Option<Arc<Self>> {
        manifest.application.as_ref().map(|_| Arc::new(Self))
    }
}
