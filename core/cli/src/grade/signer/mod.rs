//! Grading a signer: the grader plays a site with several rooms, an agent reads each, and what it sent is judged.

mod checks;
mod document;
mod judge;
mod read;
mod rooms;

use super::report::{Line, Mark, Report};
use super::wire::{Heard, bind, listen};
use super::{Roots, Site};
use crate::error::CliError;
use crate::time;
use document::Published;
use imagxp::{AgentId, Timestamp};
use rooms::Rooms;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a signer may think about its last answer before it is judged.
const SETTLE: Duration = Duration::from_secs(3);

/// How the signer is made to send.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The agent's domain.
    pub(crate) agent: AgentId,
    /// Where its manifest is.
    pub(crate) home: String,
    /// Where the rooms are.
    pub(crate) listen: String,
    /// Where the rooms are for the agent, if that is another address.
    pub(crate) origin: Option<String>,
    /// A command that reads the one URL behind it.
    pub(crate) run: Option<String>,
    /// How long to wait for an agent that is started by hand.
    pub(crate) patience: Duration,
}

/// One request, and when it came.
#[derive(Clone, Debug)]
struct Visit {
    heard: Heard,
    at: Timestamp,
    since: Instant,
}

/// Everything that is judged.
struct Evidence {
    agent: AgentId,
    rooms: Rooms,
    visits: Vec<read::Request>,
    published: Published,
    robots: bool,
}

/// One thing that is judged, by all requests at once.
struct Check {
    id: &'static str,
    section: &'static str,
    what: &'static str,
    judge: fn(&Evidence) -> Mark,
}

/// Serves the rooms, has every one of them read, and judges.
pub(crate) fn grade(
    setup: &Setup,
    roots: &Roots,
    say: &dyn Fn(&str) -> Result<(), CliError>,
) -> Result<Report, CliError> {
    let listener = bind(&setup.listen)?;
    let local = listener
        .local_addr()
        .map_err(|error| CliError::new(CliError::SYSTEM, format!("no address: {error}")))?;
    let origin = setup.origin.clone().unwrap_or_else(|| format!("http://{local}"));
    let rooms = Rooms::new(origin);
    let visits: Arc<Mutex<Vec<Visit>>> = Arc::default();
    let (kept, served) = (Arc::clone(&visits), rooms.clone());
    listen(
        listener,
        Arc::new(move |heard| {
            let Ok(at) = time::now_or(None) else { return served.answer(heard, 0) };
            let mut visits = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let before = visits.iter().filter(|visit| visit.heard.target == heard.target).count();
            visits.push(Visit { heard: heard.clone(), at, since: Instant::now() });
            served.answer(heard, before)
        }),
    );
    let home = Site::parse(&setup.home, roots)?;
    let published = Published::fetch(&home, &setup.agent);
    match &setup.run {
        Some(command) => rooms.urls().iter().try_for_each(|url| run(command, url))?,
        None => {
            say("let your agent read each of these once:\n")?;
            for url in rooms.urls() {
                say(&format!("{url}\n"))?;
            }
            wait(&rooms, &visits, setup.patience);
        }
    }
    let visits = visits.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let robots = visits.iter().any(|visit| visit.heard.target == "/robots.txt");
    let visits = visits.into_iter().filter(|visit| rooms.is_room(&visit.heard.target));
    let visits = visits.map(read::Request::new).collect();
    let evidence = Evidence { agent: setup.agent.clone(), rooms, visits, published, robots };
    let lines = checks::all().map(|check| {
        let mark = (check.judge)(&evidence);
        Line { id: check.id, section: check.section, what: check.what, mark }
    });
    Ok(Report { graded: "signer", url: setup.home.clone(), lines: lines.collect() })
}

/// Runs the signer once. What it says about an answer, and its exit code, are its own business.
fn run(command: &str, url: &str) -> Result<(), CliError> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} \"$1\""), "sh", url]);
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map(drop)
        .map_err(|error| CliError::new(CliError::SYSTEM, format!("`{command}` cannot be run: {error}")))
}

/// Until every room has been visited and the agent has had time for another try.
fn wait(rooms: &Rooms, visits: &Mutex<Vec<Visit>>, patience: Duration) {
    let end = Instant::now() + patience;
    loop {
        let all = {
            let visits = visits.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.targets().iter().all(|room| visits.iter().any(|visit| visit.heard.target == *room))
        };
        if all {
            std::thread::sleep(SETTLE);
        }
        if all || Instant::now() >= end {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
