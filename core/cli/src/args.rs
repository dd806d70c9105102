//! The command line: what there is, and how a run ends.

use crate::commands::{
    audit, broker, canonicalize, codes, completions, config, discover, explain, fetch, grade, jwk, key,
    keygen, keys, man, manifest, operator, policy, rotate, server, sign, verify, visa,
};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::Output;
use crate::passphrase;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// Said at the end of `imagxp --help`, because scripts depend on it.
const EXIT_CODES: &str = "\
Exit codes:
  0  allow, or done
  1  deny, texts that are wrong (discover), an altered audit log, or marks that were lost (grade)
  2  wrong usage, or broken input
  3  undecided: a document is missing, or a store does not answer";

/// IMAGXP: machine readers that say who they are, what they want and how they pay
#[derive(Debug, Parser)]
#[command(name = "imagxp", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print JSON: results on standard output, errors and warnings on standard error
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten, next_help_heading = "Encrypted key files")]
    passphrase: passphrase::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::Args),
    Key(key::Args),
    Jwk(jwk::Args),
    Manifest(manifest::Args),
    Rotate(rotate::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Explain(explain::Args),
    Fetch(fetch::Args),
    Policy(policy::Args),
    Discover(discover::Args),
    Visa(visa::Args),
    Audit(audit::Args),
    Broker(broker::Args),
    Serve(server::Serve),
    Config(config::Args),
    Operator(operator::Args),
    Keys(keys::Args),
    Grade(grade::Args),
    Codes(codes::Args),
    Canonicalize(canonicalize::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the program on this process's arguments.
pub(crate) fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return refuse(&refusal),
    };
    let context = Context::new(cli.json, cli.passphrase);
    let result = match cli.command {
        Command::Keygen(args) => args.run(&context),
        Command::Key(args) => args.run(&context),
        Command::Jwk(args) => args.run(&context),
        Command::Manifest(args) => args.run(&context),
        Command::Rotate(args) => args.run(&context),
        Command::Sign(args) => args.run(&context),
        Command::Verify(args) => args.run(&context),
        Command::Explain(args) => args.run(&context),
        Command::Fetch(args) => args.run(&context),
        Command::Policy(args) => args.run(&context),
        Command::Discover(args) => args.run(&context),
        Command::Visa(args) => args.run(&context),
        Command::Audit(args) => args.run(&context),
        Command::Broker(args) => args.run(&context),
        Command::Serve(args) => args.run(&context),
        Command::Config(args) => args.run(&context),
        Command::Operator(args) => args.run(&context),
        Command::Keys(args) => args.run(&context),
        Command::Grade(args) => args.run(&context),
        Command::Codes(args) => args.run(&context),
        Command::Canonicalize(args) => args.run(&context),
        Command::Completions(args) => args.run(&context),
        Command::Man(args) => args.run(&context),
    };
    result.unwrap_or_else(|error| {
        context.out.error(&error);
        Exit::Usage
    })
}

/// Ends a run whose arguments could not be read, or asked for help.
fn refuse(refusal: &clap::Error) -> Exit {
    // The arguments were not understood, so `--json` has to be looked for among them.
    let json = std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json");
    let out = Output::new(json);
    match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match out.text(&refusal.to_string()) {
            Ok(()) => Exit::Ok,
            Err(error) => {
                out.error(&error);
                Exit::Usage
            }
        },
        _ if json => {
            let text = refusal.to_string();
            let sentence = text.lines().next().unwrap_or_default();
            out.error(&CliError::usage(sentence.strip_prefix("error: ").unwrap_or(sentence)));
            Exit::Usage
        }
        _ => {
            out.complain(&refusal.to_string());
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
