//! A port that exists only in memory: what it gives, takes and refuses is scripted.
//!
//! For tests of whatever moves bytes. The script is a list of steps; each read or write takes the next one of
//! its kind, and when the list is used up the port moves everything at once.

use std::collections::VecDeque;
use std::io;

use super::{Link, Moved};

/// A scripted port.
#[derive(Debug, Default)]
pub struct FakeLink {
    /// What the other end sends, not yet read.
    pub incoming: VecDeque<u8>,
    /// What the other end received.
    pub received: Vec<u8>,
    /// How many bytes each of the next reads may give; 0 is a read that must come again later.
    pub read_steps: VecDeque<usize>,
    /// How many bytes each of the next writes takes; 0 is a stall.
    pub write_steps: VecDeque<usize>,
    /// The other end is unplugged.
    pub gone: bool,
}

impl FakeLink {
    /// A port whose other end sends `bytes`.
    pub fn sending(bytes: &[u8]) -> Self {
        Self { incoming: bytes.iter().copied().collect(), ..Self::default() }
    }

    fn unplugged() -> Moved {
        Moved::Gone(io::Error::new(io::ErrorKind::BrokenPipe, "unplugged"))
    }
}

impl Link for FakeLink {
    fn read(&mut self, buffer: &mut [u8]) -> Moved {
        if self.gone {
            return Self::unplugged();
        }
        let step = self.read_steps.pop_front().unwrap_or(buffer.len());
        let count = step.min(buffer.len()).min(self.incoming.len());
        if count == 0 {
            return Moved::Later;
        }
        for (place, byte) in buffer.iter_mut().zip(self.incoming.drain(..count)) {
            *place = byte;
        }
        Moved::Bytes(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Moved {
        if self.gone {
            return Self::unplugged();
        }
        let count = self.write_steps.pop_front().unwrap_or(bytes.len()).min(bytes.len());
        if count == 0 {
            return Moved::Later;
        }
        self.received.extend_from_slice(&bytes[..count]);
        Moved::Bytes(count)
    }
}
