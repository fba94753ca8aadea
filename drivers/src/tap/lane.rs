//! One direction of a tap: a chunk read from one port, on its way to the other.
//!
//! It reads again only when everything before has been handed over, so what it holds is bounded by
//! [`CHUNK_BYTES`], and a sink that takes nothing stalls the source as if they were wired together.
//! Invariant (law 6): what the sink received and what is held are, together and in order, exactly what was
//! read. The copy sees bytes after the sink took them, never before.

use std::io;

use crate::port::{Link, Moved};

/// As much as a printer's own buffer.
pub(super) const CHUNK_BYTES: usize = 4_096;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    held: Vec<u8>,
    handed_over: usize,
}

/// How far a lane came.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing more can move now.
    Done,
    /// The port read from or written to is gone.
    Gone(io::Error),
}

impl Lane {
    /// Bytes read and not handed over.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len() - self.handed_over
    }

    /// Whether the lane may read.
    pub(super) fn is_empty(&self) -> bool {
        self.held_bytes() == 0
    }

    /// Forgets what it holds: the one it was for is gone.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.handed_over = 0;
    }

    /// Reads one chunk, if empty.
    pub(super) fn fill(&mut self, source: &mut impl Link) -> Progress {
        if !self.is_empty() {
            return Progress::Done;
        }
        self.held.resize(CHUNK_BYTES, 0);
        self.handed_over = 0;
        let outcome = source.read(&mut self.held);
        self.held.truncate(if let Moved::Bytes(count) = outcome { count } else { 0 });
        match outcome {
            Moved::Gone(why) => Progress::Gone(why),
            Moved::Bytes(_) | Moved::Later => Progress::Done,
        }
    }

    /// Hands over what it holds, as far as `sink` takes it; `copy` sees what was taken.
    pub(super) fn drain(&mut self, sink: &mut impl Link, mut copy: impl FnMut(&[u8])) -> Progress {
        while !self.is_empty() {
            match sink.write(&self.held[self.handed_over..]) {
                Moved::Bytes(count) => {
                    copy(&self.held[self.handed_over..self.handed_over + count]);
                    self.handed_over += count;
                }
                Moved::Later => return Progress::Done,
                Moved::Gone(why) => return Progress::Gone(why),
            }
        }
        Progress::Done
    }

    /// Gives what it holds to the copy alone: there is no sink.
    pub(super) fn copy_only(&mut self, mut copy: impl FnMut(&[u8])) {
        copy(&self.held[self.handed_over..]);
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::FakeLink;
    use proptest::prelude::*;

    /// Runs a lane to the end, with the sink unplugged and replaced in between, and returns what the sinks
    /// received and what the copy saw.
    fn forward(sent: &[u8], reads: Vec<usize>, writes: Vec<usize>, unplug_every: usize) -> (Vec<u8>, Vec<u8>) {
        let mut pos = FakeLink { read_steps: reads.into(), ..FakeLink::sending(sent) };
        let mut printer = FakeLink { write_steps: writes.into(), ..FakeLink::default() };
        let (mut lane, mut copied, mut turn) = (Lane::default(), Vec::new(), 0);
        while !pos.incoming.is_empty() || !lane.is_empty() {
            let _ = lane.fill(&mut pos);
            turn += 1;
            printer.gone = turn % unplug_every == 0;
            let _ = lane.drain(&mut printer, |bytes| copied.extend_from_slice(bytes));
            assert!(lane.held_bytes() <= CHUNK_BYTES);
        }
        (printer.received, copied)
    }

    proptest! {
        #[test]
        fn what_is_forwarded_is_what_was_sent(
            sent in proptest::collection::vec(any::<u8>(), 0..10_000),
            reads in proptest::collection::vec(0usize..200, 0..60),
            writes in proptest::collection::vec(0usize..90, 0..60),
            unplug_every in 2usize..7,
        ) {
            let (received, copied) = forward(&sent, reads, writes, unplug_every);
            prop_assert_eq!(&received, &sent);
            prop_assert_eq!(&copied, &sent);
        }
    }

    #[test]
    fn a_sink_that_takes_nothing_stalls_the_source() {
        let mut pos = FakeLink::sending(&[7; 20_000]);
        let mut printer = FakeLink { write_steps: vec![0; 100].into(), ..FakeLink::default() };
        let mut lane = Lane::default();
        for _ in 0..50 {
            let _ = lane.fill(&mut pos);
            let _ = lane.drain(&mut printer, |_| {});
        }
        assert_eq!(pos.incoming.len(), 20_000 - CHUNK_BYTES);
        assert!(printer.received.is_empty());
    }
}
