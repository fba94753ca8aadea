//! `counterfoil-hub serve`: the command line over the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::config::{HubConfig, LISTEN_DEFAULT, TlsMode};
use crate::data_dir::DataDir;
use crate::server::{Options, serve};

/// How to serve. What is absent comes from hub.toml.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  counterfoil-hub serve --data-dir /var/lib/counterfoil-hub --listen 0.0.0.0:7400 \
                        --name hub.example.org\n\nOnce it answers, one line of JSON goes to standard output: \
                        {\"ready\":true,\"address\":…,\"url\":…,\"tls\":…,\"data_dir\":…}")]
pub struct ServeArgs {
    /// Address and port; port 0 takes any free one. Beyond loopback TLS is always on [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// TLS on loopback too
    #[arg(long)]
    tls: bool,
    /// A host name or address by which tills reach this hub, for its certificate; may be repeated
    #[arg(long = "name", value_name = "HOST")]
    names: Vec<String>,
    /// Writes the ready message to this file as well
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Logs one JSON object a line
    #[arg(long)]
    pub(super) log_json: bool,
}

/// Serves until a signal.
///
/// # Errors
/// When the data directory or the address cannot be used.
pub fn run(args: ServeArgs, config: &HubConfig, place: &DataDir) -> anyhow::Result<ExitCode> {
    let default = LISTEN_DEFAULT.parse().expect("the default address is one");
    let mut names = args.names;
    names.extend(config.server.names.iter().cloned());
    let options = Options {
        listen: args.listen.or(config.server.listen).unwrap_or(default),
        tls: if args.tls { TlsMode::Always } else { config.server.tls },
        names,
        ready_file: args.ready_file,
    };
    serve(place, &options)?;
    Ok(ExitCode::SUCCESS)
}
