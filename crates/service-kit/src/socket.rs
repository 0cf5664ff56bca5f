//! A Unix socket of this process: made for its own user alone, in place of one that nobody serves any more, and
//! removed in the end.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// The socket; its file has the mode 0600, and is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    uid: u32,
}

impl Socket {
    /// Makes the socket. Its directory has to be there.
    ///
    /// # Errors
    /// `AddrInUse` where somebody serves a socket at `path`, or something else than a socket is there; what the
    /// system says otherwise.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Err(error) = BlockingStream::connect(path)
            && error.kind() == io::ErrorKind::ConnectionRefused
            && is_socket(path)
        {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let uid = std::fs::symlink_metadata(path)?.uid();
        Ok(Self { listener, path: path.to_owned(), uid })
    }

    /// The next connection.
    ///
    /// # Errors
    /// What the system says.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// The user who made the socket, and may connect.
    pub fn uid(&self) -> u32 {
        self.uid
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // What is left of it is taken over at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether there is a socket at `path`, served or not.
pub fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}
