//! A desk: one thread that owns a core, and a bounded queue in front of it.
//!
//! Requests never block the async runtime and never see each other's half-done work. A full queue is an answer
//! ("busy"), not a wait. A panic in a job is that job's failure: the core is opened anew, because what a broken
//! invariant leaves in memory cannot be trusted, and what is on disk can.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::core::Hub;

/// Jobs that may wait: beyond it a caller is told to come back.
pub const QUEUE_LENGTH_MAX: usize = 512;

type Job = Box<dyn FnOnce(&mut Hub) + Send>;
type Opener = Box<dyn Fn() -> anyhow::Result<Hub> + Send>;

/// Why the core did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// Too many wait already.
    #[error("head office is busy: try again in a moment")]
    Busy,
    /// The job broke an invariant, or the hub is stopping.
    #[error("head office could not finish this request: the log says why")]
    Broken,
}

/// A handle to the core; clones share it.
#[derive(Debug, Clone)]
pub struct Desk {
    jobs: mpsc::Sender<Job>,
}

impl Desk {
    /// Starts the thread `name`. `reopen` makes another `Hub` on the same database after a panic.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(name: &str, hub: Hub, reopen: Opener) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, queue) = mpsc::channel(QUEUE_LENGTH_MAX);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || work(hub, queue, &reopen))?;
        Ok((Self { jobs }, thread))
    }

    /// Has the core do something and waits for what came of it. A caller that goes away does not undo it.
    ///
    /// # Errors
    /// When the queue is full or the job panicked.
    pub async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Hub) -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |hub| {
            // The caller may have gone: then nobody wants the answer.
            let _ = answer.send(job(hub));
        });
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DeskError::Busy,
            mpsc::error::TrySendError::Closed(_) => DeskError::Broken,
        })?;
        answered.await.map_err(|_| DeskError::Broken)
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        QUEUE_LENGTH_MAX - self.jobs.capacity()
    }
}

fn work(mut hub: Hub, mut queue: mpsc::Receiver<Job>, reopen: &Opener) {
    while let Some(job) = queue.blocking_recv() {
        if catch_unwind(AssertUnwindSafe(|| job(&mut hub))).is_ok() {
            continue;
        }
        tracing::error!("a request broke an invariant and was dropped; opening the database anew, report this line");
        match reopen() {
            Ok(fresh) => hub = fresh,
            Err(error) => {
                tracing::error!("the database does not open again, the hub stops answering: {error:#}");
                return;
            }
        }
    }
}
