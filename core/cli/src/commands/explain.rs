//! `imagxp explain`: a verification step by step.

use super::verify::{Inputs, Prepared};
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Judge one request like `verify`, and tell each step with what was expected and received
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let Prepared { publisher, request, now, .. } = self.inputs.prepare(context, None)?;
        let explanation = request.with(|request| publisher.explain(request, now));
        if context.out.is_json() {
            context.out.object(&explanation.to_json())?;
        } else {
            context.out.text(&explanation.to_string())?;
        }
        Ok((&explanation.verdict).into())
    }
}
