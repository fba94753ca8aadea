//! `counterfoil simulate`: virtual hardware on pseudo-terminals, for demos, tests and developers without a till.
//!
//! Each command plugs one device in at a path, prints that path as its first line, and runs until SIGINT,
//! SIGTERM or the end of what it has to do. The path is a symbolic link that goes when the command ends.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use counterfoil_drivers::virtual_hw::{VirtualDevice, VirtualPos, VirtualPrinter, VirtualScanner};

/// How long a line may take nothing before a command gives up on it.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `counterfoil simulate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, in three terminals:\n  counterfoil simulate receipt-printer --link /tmp/printer\n  counterfoil tap --device demo --port /tmp/pos --forward-to /tmp/printer --spool /tmp/spool\n  counterfoil simulate pos --link /tmp/pos receipt.bin"
)]
pub struct SimulateArgs {
    #[command(subcommand)]
    device: Simulated,
}

#[derive(Debug, Subcommand)]
enum Simulated {
    /// A receipt printer: shows what it is sent
    ReceiptPrinter {
        /// Where to plug it in
        #[arg(long, value_name = "PATH")]
        link: PathBuf,
        /// Write the bytes to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Take nothing after so many bytes
        #[arg(long, value_name = "BYTES")]
        stall_after: Option<u64>,
        /// Do not answer status requests
        #[arg(long)]
        silent: bool,
    },
    /// A bar code scanner: scans the codes given, then every line of standard input
    Scanner {
        /// Where to plug it in
        #[arg(long, value_name = "PATH")]
        link: PathBuf,
        /// Codes to scan at once
        codes: Vec<String>,
        /// What follows every code
        #[arg(long, value_enum, default_value_t = SuffixArg::CrLf)]
        suffix: SuffixArg,
    },
    /// The POS side of a printer line: sends files, or standard input
    Pos {
        /// Where to plug it in
        #[arg(long, value_name = "PATH")]
        link: PathBuf,
        /// Files to send, one after the other; none: standard input
        files: Vec<PathBuf>,
        /// As fast as a line of so many bits per second; 0 is as fast as it goes
        #[arg(long, default_value_t = 9_600)]
        baud: u32,
        /// Stay plugged in after the last byte
        #[arg(long)]
        stay: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SuffixArg {
    Cr,
    Lf,
    CrLf,
    Tab,
    Etx,
}

/// Runs one virtual device.
///
/// # Errors
/// When it cannot be plugged in, a file cannot be read or written, or the line takes nothing for ten minutes.
pub fn run(args: SimulateArgs) -> anyhow::Result<()> {
    let end = end_signal()?;
    match args.device {
        Simulated::ReceiptPrinter { link, out, stall_after, silent } => {
            let printer = VirtualPrinter::plug(&link).with_context(|| format!("cannot plug in {}", link.display()))?;
            printer.answer_status(!silent);
            let out: Box<dyn Write> = match out {
                Some(path) => {
                    println!("{}", link.display());
                    Box::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?)
                }
                None => Box::new(io::stdout()),
            };
            show(&printer, out, stall_after, &end)
        }
        Simulated::Scanner { link, codes, suffix } => {
            let suffix: &[u8] = match suffix {
                SuffixArg::Cr => b"\r",
                SuffixArg::Lf => b"\n",
                SuffixArg::CrLf => b"\r\n",
                SuffixArg::Tab => b"\t",
                SuffixArg::Etx => b"\x03",
            };
            let scanner = VirtualScanner::plug(&link).with_context(|| format!("cannot plug in {}", link.display()))?;
            let scanner = scanner.with_suffix(suffix);
            println!("{}", link.display());
            scan(&scanner, codes, &end)
        }
        Simulated::Pos { link, files, baud, stay } => {
            let pos = VirtualPos::plug(&link).with_context(|| format!("cannot plug in {}", link.display()))?;
            println!("{}", link.display());
            for file in &files {
                let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                if !send(&pos, &bytes, baud, &end)? {
                    return Ok(());
                }
            }
            if files.is_empty() {
                forward(&pos, baud, &end)?;
            }
            if stay {
                let _ = end.recv();
            }
            Ok(())
        }
    }
}

fn show(
    printer: &VirtualDevice,
    mut out: impl Write,
    stall_after: Option<u64>,
    end: &Receiver<()>,
) -> anyhow::Result<()> {
    loop {
        let bytes = printer.take_received();
        out.write_all(&bytes).and_then(|()| out.flush()).context("cannot write what was printed")?;
        if stall_after.is_some_and(|limit| printer.received_total() >= limit) {
            printer.stall(true);
        }
        match end.try_recv() {
            Err(TryRecvError::Empty) => {}
            _ => return Ok(()),
        }
        printer.wait_received(LOOK, |received| !received.is_empty());
    }
}

fn scan(scanner: &VirtualScanner, codes: Vec<String>, end: &Receiver<()>) -> anyhow::Result<()> {
    for code in codes {
        scanner.scan(&code);
    }
    let (sender, lines) = channel();
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    })?;
    let mut more = true;
    loop {
        if more {
            match lines.recv_timeout(LOOK) {
                Ok(code) if !code.is_empty() => scanner.scan(&code),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                // No more codes: stays plugged in until told to end.
                Err(RecvTimeoutError::Disconnected) => more = false,
            }
        }
        match end.recv_timeout(if more { Duration::ZERO } else { PATIENCE }) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
    }
}

/// Sends standard input until it ends, or until told to.
fn forward(pos: &VirtualPos, baud: u32, end: &Receiver<()>) -> anyhow::Result<()> {
    let (sender, pieces) = channel();
    // Reading cannot be interrupted: it has a thread that nobody waits for.
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let (mut input, mut buffer) = (io::stdin().lock(), [0; 4_096]);
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    })?;
    while matches!(end.try_recv(), Err(TryRecvError::Empty)) {
        match pieces.recv_timeout(LOOK) {
            Ok(piece) if !send(pos, &piece, baud, end)? => return Ok(()),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    Ok(())
}

/// In pieces of a twentieth of a second. False when told to end.
fn send(pos: &VirtualPos, bytes: &[u8], baud: u32, end: &Receiver<()>) -> anyhow::Result<bool> {
    let (piece_bytes, gap) = match usize::try_from(baud / 200).unwrap_or(usize::MAX) {
        _ if baud == 0 => (bytes.len(), Duration::ZERO),
        piece_bytes => (piece_bytes.max(1), Duration::from_millis(50)),
    };
    for piece in bytes.chunks(piece_bytes.max(1)) {
        let mut sent = pos.send_paced(piece, piece.len(), gap, LOOK);
        let given_up = Instant::now() + PATIENCE;
        while !sent {
            if Instant::now() > given_up {
                bail!("nothing takes the bytes from {}: is a tap running on it?", pos.link().display());
            }
            if !matches!(end.try_recv(), Err(TryRecvError::Empty)) {
                return Ok(false);
            }
            sent = pos.flush(LOOK);
        }
    }
    Ok(matches!(end.try_recv(), Err(TryRecvError::Empty)))
}

/// Hears SIGINT and SIGTERM.
fn end_signal() -> anyhow::Result<Receiver<()>> {
    let (sender, receiver): (Sender<()>, _) = channel();
    crate::tap::on_end_signals(move || {
        let _ = sender.send(());
    })?;
    Ok(receiver)
}
