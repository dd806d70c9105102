//! Grading a verifier: the grader plays agents and a broker, and asks a site that applies the grading policy.

mod again;
mod cases;
mod cast;
mod request;
mod site;
mod visa;

pub(crate) use cast::Place;
pub(crate) use site::policy;

use super::Site;
use super::report::{Line, Mark, Report};
use crate::error::CliError;
use cast::Cast;

/// Where everything below is asked for; the site answers 2xx to whatever its verifier lets pass.
const ROOM: &str = "/grade/";

/// What a case needs of the site, so that it can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Core,
    Payment,
    /// Time: half a minute of it.
    Patience,
}

/// One case. It is a mark of its own.
struct Case {
    id: &'static str,
    section: &'static str,
    what: &'static str,
    part: Part,
    run: fn(&World) -> Result<(), String>,
}

impl Case {
    const fn new(
        id: &'static str,
        section: &'static str,
        what: &'static str,
        run: fn(&World) -> Result<(), String>,
    ) -> Self {
        Self { id, section, what, part: Part::Core, run }
    }

    const fn payment(
        id: &'static str,
        section: &'static str,
        what: &'static str,
        run: fn(&World) -> Result<(), String>,
    ) -> Self {
        Self { part: Part::Payment, ..Self::new(id, section, what, run) }
    }

    const fn slow(
        id: &'static str,
        section: &'static str,
        what: &'static str,
        run: fn(&World) -> Result<(), String>,
    ) -> Self {
        Self { part: Part::Patience, ..Self::new(id, section, what, run) }
    }
}

/// The site under test, and everybody who asks it.
struct World {
    site: Site,
    cast: Cast,
}

/// Which cases are tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Those with visas.
    pub(crate) payment: bool,
    /// Those that wait for half a minute.
    pub(crate) slow: bool,
}

/// Tries every case, in the order of PROTOCOL §5.
pub(crate) fn grade(site: Site, place: &Place, listen: &str, extent: Extent) -> Result<Report, CliError> {
    let url = site.origin().to_owned();
    let world = World { site, cast: Cast::new(place, listen)? };
    let lines = cases::all().map(|case| {
        let mark = match case.part {
            Part::Payment if !extent.payment => Mark::Skipped("--no-payment"),
            Part::Patience if !extent.slow => Mark::Skipped("it waits for 31 s; --slow tries it"),
            _ => (case.run)(&world).into(),
        };
        Line { id: case.id, section: case.section, what: case.what, mark }
    });
    let lines = lines.collect();
    Ok(Report { graded: "verifier", url, lines })
}
