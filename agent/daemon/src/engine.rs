//! The till's engine on a thread of its own: one writer, one queue, answers by one-shot.
//!
//! Invariants: only this thread touches the value database; a slow disk makes callers wait, never the runtime
//! that serves them; the queue is bounded; what was asked before a stop is answered before it. A panic in the
//! engine ends the thread, every later call says so, and the daemon exits so that a restart recovers.

use std::thread::JoinHandle;

use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::Head;
use counterfoil_till::Till;
use tokio::sync::{mpsc, oneshot, watch};

/// Commands that may wait. Beyond it callers wait for a place in the queue.
const QUEUE_MAX: usize = 64;

/// Does something, and gives back what tells the caller.
type Job = Box<dyn FnOnce(&mut Till) -> Box<dyn FnOnce() + Send> + Send>;

enum Message {
    Do(Job),
    Stop,
}

/// The engine has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the till's engine has stopped")]
pub struct Stopped;

/// How far the journal came, published after every command and before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Whose journal: this life of the till.
    pub incarnation: IncarnationId,
    /// The journal's head.
    pub head: Head,
    /// What head office has acknowledged.
    pub acknowledged: u64,
    /// The books are an older copy: head office is to be asked for the next life.
    pub succession_due: bool,
    /// Head office is in a new epoch: it is to be told what this till knows.
    pub report_due: bool,
}

impl Progress {
    fn of(till: &Till) -> Self {
        Self {
            incarnation: till.incarnation(),
            head: till.head(),
            acknowledged: till.acknowledged(),
            succession_due: till.succession_due(),
            report_due: till.report_due(),
        }
    }
}

/// A way to the engine; clones share it.
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<Message>,
    progress: watch::Receiver<Progress>,
}

/// The engine's thread.
pub struct EngineThread {
    queue: mpsc::Sender<Message>,
    ended: oneshot::Receiver<()>,
    handle: JoinHandle<()>,
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
pub fn start(mut till: Till) -> std::io::Result<(Engine, EngineThread)> {
    let (queue, mut messages) = mpsc::channel(QUEUE_MAX);
    let (progress, progress_seen) = watch::channel(Progress::of(&till));
    let (ended_sender, ended) = oneshot::channel::<()>();
    let handle = std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        // Dropped when the thread ends in whatever way: a panic is noticed too.
        let _ended = ended_sender;
        while let Some(Message::Do(job)) = messages.blocking_recv() {
            let tell = job(&mut till);
            progress.send_if_modified(|known| {
                let now = Progress::of(&till);
                std::mem::replace(known, now) != now
            });
            tell();
        }
    })?;
    let engine = Engine { queue: queue.clone(), progress: progress_seen };
    Ok((engine, EngineThread { queue, ended, handle }))
}

impl Engine {
    /// Has the engine do something, and waits for the answer without blocking the runtime.
    ///
    /// # Errors
    /// When the engine has stopped. What it had begun is then either durable or undone.
    pub async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Till) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.queue.send(job(act, sender)).await.map_err(|_| Stopped)?;
        receiver.await.map_err(|_| Stopped)
    }

    /// The same from a thread that may block.
    ///
    /// # Errors
    /// As [`Engine::call`].
    ///
    /// # Panics
    /// When called from the async runtime.
    pub fn call_blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Till) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.queue.blocking_send(job(act, sender)).map_err(|_| Stopped)?;
        receiver.blocking_recv().map_err(|_| Stopped)
    }

    /// How far the journal came.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// To wait until it comes further.
    pub fn watch_progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

fn job<T: Send + 'static>(act: impl FnOnce(&mut Till) -> T + Send + 'static, answer: oneshot::Sender<T>) -> Message {
    Message::Do(Box::new(move |till| {
        let done = act(till);
        Box::new(move || {
            // The caller may have gone; what was done stays done.
            let _ = answer.send(done);
        })
    }))
}

impl EngineThread {
    /// Completes when the thread has ended: after [`EngineThread::stop`], or by a panic.
    pub async fn ended(&mut self) {
        let _ = (&mut self.ended).await;
    }

    /// Lets the engine finish what is queued, closes the books and waits for it.
    ///
    /// # Errors
    /// When the engine had panicked.
    pub async fn stop(self) -> Result<(), Stopped> {
        // A send that fails means that it has already ended.
        let _ = self.queue.send(Message::Stop).await;
        let joined = tokio::task::spawn_blocking(move || self.handle.join()).await;
        joined.map_err(|_| Stopped)?.map_err(|_| Stopped)
    }
}
