//! The Trestle node and its command line.

fn main() -> std::process::ExitCode {
    trestle_node::cli::main()
}
