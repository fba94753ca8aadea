//! `counterfoil`, the till daemon and its commands.

fn main() -> std::process::ExitCode {
    counterfoil_agent::cli::main()
}
