//! What changes below a directory. Directories are watched one by one, so that packages, data and what `.bunbaseignore`
//! names cost nothing.

use anyhow::Context as _;
use functions_client::{Source, is_source, sources};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Editors write a file in several steps: this long nothing may happen before it is read.
const QUIET: Duration = Duration::from_millis(8);
/// But what goes on and on is looked at after so long.
const UNQUIET_MAX: Duration = Duration::from_millis(200);

/// Files that changed together.
pub(super) struct Changes {
    pub(super) paths: BTreeSet<PathBuf>,
    /// When the first was seen.
    pub(super) at: Instant,
}

/// A watched directory.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<PathBuf>,
}

impl Watch {
    pub(super) fn start(root: &Path) -> anyhow::Result<Self> {
        let (seen, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if is_change(event.kind) {
                event.paths.into_iter().for_each(|path| {
                    // Nobody listens any more when the command ends.
                    let _ = seen.send(path);
                });
            }
        });
        let mut watch = Self { watcher: watcher.context("files cannot be watched")?, events };
        watch.below(root).with_context(|| {
            format!("{} cannot be watched; on Linux see fs.inotify.max_user_watches", root.display())
        })?;
        Ok(watch)
    }

    /// Waits for the next changes.
    pub(super) async fn next(&mut self) -> anyhow::Result<Changes> {
        let first = self.events.recv().await.context("files are watched no more")?;
        let mut changes = Changes { paths: BTreeSet::new(), at: Instant::now() };
        self.add(first, &mut changes);
        while changes.at.elapsed() < UNQUIET_MAX {
            match tokio::time::timeout(QUIET, self.events.recv()).await {
                Ok(Some(path)) => self.add(path, &mut changes),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(changes)
    }

    /// A directory that came is watched from now on; what was put into it before that has changed, too.
    fn add(&mut self, path: PathBuf, changes: &mut Changes) {
        if path.is_dir() && is_source(&path) {
            // It may be gone again.
            changes.paths.extend(self.below(&path).unwrap_or_default());
        }
        changes.paths.insert(path);
    }

    /// Watches a directory and those in it; answers the files that are there.
    fn below(&mut self, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for source in sources(directory) {
            let Source { path, is_directory } = source?;
            if is_directory {
                self.watcher.watch(&path, RecursiveMode::NonRecursive)?;
            } else {
                files.push(path);
            }
        }
        Ok(files)
    }
}

/// Reading is none, and Bun reads what it bundles.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}
