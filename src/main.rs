//! Parses, loads, dispatches, decides the exit code; nothing else.

use std::process::ExitCode;

use hangtag::cli::{Arguments, Ended};

fn main() -> ExitCode {
    // SAFETY: the first statement of the process, which has no second thread yet; so nobody reads or writes the
    // environment meanwhile.
    unsafe { hangtag::model::refuse_telemetry() };
    let arguments = Arguments::of(std::env::args_os());
    match hangtag::cli::run(arguments) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::With(code)) => ExitCode::from(code),
        Err(error) => {
            hangtag::cli::tell_failure(&error);
            ExitCode::from(hangtag::cli::exit_code_of(&error))
        }
    }
}
