//! What a tap has to say while it runs: one line each, with what still works and what to do.

use std::fmt;

use crate::port::{PortError, PortName};
use crate::spool::SpoolNews;

/// Which end of a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the bytes come from.
    Pos,
    /// Where they go.
    Printer,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pos => "the POS",
            Self::Printer => "the printer",
        })
    }
}

/// Something happened.
#[derive(Debug)]
pub enum TapEvent {
    /// A port is open.
    Opened(Side, PortName),
    /// A port cannot be opened yet; attempts go on.
    Waiting(Side, PortError),
    /// A port that was open is gone.
    Lost(Side, PortName, std::io::Error),
    /// The printer takes nothing.
    Stalled {
        /// Bytes waiting for it.
        held_bytes: usize,
    },
    /// It does again.
    Flowing {
        /// After so many milliseconds.
        stalled_ms: u64,
    },
    /// About the copy.
    Spool(SpoolNews),
    /// The tap ended while the printer had not taken everything.
    LeftOver {
        /// Bytes that were read from the POS and printed nowhere.
        held_bytes: usize,
    },
}

impl TapEvent {
    /// Whether somebody should do something.
    pub fn needs_attention(&self) -> bool {
        !matches!(self, Self::Opened(..) | Self::Flowing { .. } | Self::Spool(SpoolNews::GapEnded { .. }))
    }
}

impl fmt::Display for TapEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(side, port) => write!(f, "{side} is connected on {port}"),
            Self::Waiting(side, error) => {
                write!(f, "{side} is not connected: {}; trying again until it is", Chain(error))
            }
            Self::Lost(Side::Pos, port, why) => {
                write!(f, "the POS is gone from {port} ({why}): plug its cable in again, it is picked up by itself")
            }
            Self::Lost(Side::Printer, port, why) => write!(
                f,
                "the printer is gone from {port} ({why}): plug it in or switch it on, it is picked up by itself; until then the POS waits, as with a printer that is off"
            ),
            Self::Stalled { held_bytes } => write!(
                f,
                "the printer takes no data ({held_bytes} bytes wait): look for paper, cover, or its off-line light; printing goes on by itself"
            ),
            Self::Flowing { stalled_ms } => write!(f, "the printer takes data again after {stalled_ms} ms"),
            Self::Spool(SpoolNews::GapBegan(reason)) => write!(
                f,
                "receipts are printed and not captured: {reason}; see that the agent runs and the disk has room"
            ),
            Self::Spool(SpoolNews::GapEnded { from, to }) => {
                write!(f, "capturing again; {} bytes of the stream were not kept ({from}..{to})", to - from)
            }
            Self::Spool(SpoolNews::Unavailable(error)) => write!(
                f,
                "receipts are printed and not captured: {}; see that the disk is there and has room",
                Chain(error)
            ),
            Self::Spool(SpoolNews::SyncFailed(error)) => {
                write!(f, "captured receipts may not survive a power cut: {}; check the disk", Chain(error))
            }
            Self::LeftOver { held_bytes } => {
                write!(f, "the tap ended before the printer took the last {held_bytes} bytes: print that receipt again")
            }
        }
    }
}

/// An error and what caused it, in one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
