//! `counterfoil-hub`: head office. Everything is in the library; this installs the TLS provider and starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Refused only where one is installed already, and then it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    counterfoil_hub::cli::main()
}
