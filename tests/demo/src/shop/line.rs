//! The line between a shop and head office: a TCP relay on loopback that can be cut, choked or cut in the middle
//! of a message.
//!
//! It knows nothing of what it carries. Both ends run as in production; only the line is ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    /// Carries everything.
    Up,
    /// Every connection is dropped, new ones are closed at once.
    Cut,
    /// Connections stand and nothing comes through: the worst kind of outage.
    Silent,
}

/// No limit on bytes.
const UNLIMITED: i64 = i64::MAX;

/// A relay to one hub.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    state: watch::Sender<LineState>,
    until_cut: Arc<AtomicI64>,
    carried_bytes: Arc<AtomicU64>,
}

impl Line {
    /// Listens on a free port of loopback and relays to `hub`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn to(hub: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel(LineState::Up);
        let until_cut = Arc::new(AtomicI64::new(UNLIMITED));
        let carried_bytes = Arc::new(AtomicU64::new(0));
        let relay = Relay {
            hub,
            state: state.clone(),
            watched,
            until_cut: until_cut.clone(),
            carried_bytes: carried_bytes.clone(),
        };
        tokio::spawn(async move {
            while let Ok((till, _)) = listener.accept().await {
                tokio::spawn(relay.clone().connection(till));
            }
        });
        Ok(Self { address, state, until_cut, carried_bytes })
    }

    /// Where tills find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what the line does, at once and for connections that stand.
    pub fn set(&self, state: LineState) {
        self.until_cut.store(UNLIMITED, Ordering::SeqCst);
        self.state.send_replace(state);
    }

    /// Carries so many more bytes, both directions together, and is then cut, wherever in a message that is.
    pub fn cut_after(&self, bytes: u32) {
        self.until_cut.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// What it does now.
    pub fn state(&self) -> LineState {
        *self.state.borrow()
    }

    /// Bytes carried so far, both directions together.
    pub fn carried_bytes(&self) -> u64 {
        self.carried_bytes.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Clone)]
struct Relay {
    hub: SocketAddr,
    state: watch::Sender<LineState>,
    watched: watch::Receiver<LineState>,
    until_cut: Arc<AtomicI64>,
    carried_bytes: Arc<AtomicU64>,
}

impl Relay {
    async fn connection(mut self, till: TcpStream) {
        if *self.watched.borrow() == LineState::Cut {
            return;
        }
        let Ok(hub) = TcpStream::connect(self.hub).await else { return };
        let (from_till, to_till) = till.into_split();
        let (from_hub, to_hub) = hub.into_split();
        let up = self.clone().carry(from_till, to_hub);
        let down = self.clone().carry(from_hub, to_till);
        tokio::select! {
            () = async { tokio::join!(up, down); } => {}
            _ = self.watched.wait_for(|state| *state == LineState::Cut) => {}
        }
    }

    async fn carry(mut self, mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            if self.watched.wait_for(|state| *state != LineState::Silent).await.is_err() {
                return;
            }
            let Ok(count) = from.read(&mut buffer).await else { return };
            if count == 0 {
                // Half closed: what is still to come the other way must come.
                let _ = to.shutdown().await;
                return;
            }
            // What was read while the line fell silent waits with it.
            if self.watched.wait_for(|state| *state != LineState::Silent).await.is_err() {
                return;
            }
            let asked = i64::try_from(count).unwrap_or(UNLIMITED);
            let left = match self.until_cut.load(Ordering::SeqCst) {
                UNLIMITED => UNLIMITED,
                _ => self.until_cut.fetch_sub(asked, Ordering::SeqCst),
            };
            let passes = usize::try_from(left.clamp(0, asked)).unwrap_or(0);
            if to.write_all(&buffer[..passes]).await.is_err() {
                return;
            }
            self.carried_bytes.fetch_add(passes as u64, Ordering::SeqCst);
            if passes < count {
                self.state.send_replace(LineState::Cut);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = peer.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn dial(line: &Line) -> TcpStream {
        TcpStream::connect(line.address).await.unwrap()
    }

    #[tokio::test]
    async fn a_line_carries_is_cut_and_carries_again() {
        let line = Line::to(echo().await).await.unwrap();
        let mut stream = dial(&line).await;
        stream.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!((&back, line.carried_bytes()), (b"hello", 10));
        line.set(LineState::Cut);
        assert!(stream.read_exact(&mut back).await.is_err(), "a standing connection falls");
        assert!(dial(&line).await.read_exact(&mut back).await.is_err(), "a new one too");
        line.set(LineState::Up);
        let mut stream = dial(&line).await;
        stream.write_all(b"again").await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
    }

    #[tokio::test]
    async fn a_line_is_cut_in_the_middle_of_a_message() {
        let line = Line::to(echo().await).await.unwrap();
        line.cut_after(7);
        let mut stream = dial(&line).await;
        stream.write_all(b"hello").await.unwrap();
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back).await;
        assert_eq!(back, b"he", "five bytes went, two came back");
        assert_eq!(line.state(), LineState::Cut);
    }
}
