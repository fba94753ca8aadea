//! The bell: tells long polls that the database has changed, whoever changed it.
//!
//! A thread with a connection of its own looks at SQLite's `data_version` ten times a second, so that a command
//! beside the hub is noticed like a request in it, and a burst of changes rings once. Not here: what changed.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A handle for those who wait.
#[derive(Debug, Clone)]
pub struct Bell(watch::Receiver<i64>);

/// Keeps the bell going; dropping it stops the thread.
#[derive(Debug)]
pub struct Ringer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bell {
    /// Starts to watch through `connection`, which is used for nothing else.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(connection: Connection) -> std::io::Result<(Self, Ringer)> {
        let (sender, receiver) = watch::channel(data_version(&connection).unwrap_or_default());
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("bell".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK_EVERY) {
                let version = data_version(&connection).unwrap_or_default();
                sender.send_if_modified(|known| std::mem::replace(known, version) != version);
            }
        })?;
        Ok((Self(receiver), Ringer { stop: Some(stop), thread: Some(thread) }))
    }

    /// Somebody to wait with: everything that changes after this call is noticed.
    pub fn listen(&self) -> Listener {
        let mut receiver = self.0.clone();
        receiver.mark_unchanged();
        Listener(receiver)
    }
}

/// Waits for the bell.
#[derive(Debug)]
pub struct Listener(watch::Receiver<i64>);

impl Listener {
    /// Returns when it rings; never, once the ringer is gone.
    pub async fn rung(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_by_anybody_rings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (x)").unwrap();
        let (bell, ringer) = Bell::start(Connection::open(&path).unwrap()).unwrap();
        let mut listener = bell.listen();
        writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        tokio::time::timeout(Duration::from_secs(10), listener.rung()).await.unwrap();
        drop(ringer);
    }
}
