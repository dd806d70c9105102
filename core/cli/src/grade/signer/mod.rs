//! Grading a signer: the grader plays a site with several rooms, an agent reads each, and what it sent is judged.

mod checks;
mod document;
mod judge;
mod read;
mod rooms;
mod run;
mod visits;

use super::report::{Line, Mark, Report};
use super::wire::{bind, listen};
use super::{Roots, Site};
use crate::error::CliError;
use crate::time;
use document::Published;
use imagxp::AgentId;
use rooms::Rooms;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use visits::Visits;

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
    /// Another origin that leads there, too.
    pub(crate) other_origin: Option<String>,
    /// A command that reads the one URL behind it.
    pub(crate) run: Option<String>,
    /// How long to wait for an agent that is started by hand, or for one command.
    pub(crate) patience: Duration,
}

/// Everything that is judged.
struct Evidence {
    agent: AgentId,
    rooms: Rooms,
    visits: Vec<read::Request>,
    published: Published,
    robots: bool,
    /// The rooms whose commands had to be ended.
    late: Vec<String>,
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
    let rooms = Rooms::new(origin, setup.other_origin.clone());
    let visits: Arc<Mutex<Visits>> = Arc::default();
    let (kept, served) = (Arc::clone(&visits), rooms.clone());
    listen(
        listener,
        Arc::new(move |heard| {
            let Ok(at) = time::now_or(None) else { return served.answer(heard, 0) };
            let mut visits = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let before = visits.of(&heard.target);
            if served.is_room(&heard.target) {
                visits.note(heard, at);
            }
            visits.robots |= heard.target == "/robots.txt";
            served.answer(heard, before)
        }),
    );
    let home = Site::parse(&setup.home, roots)?;
    let published = Published::fetch(&home, &setup.agent);
    let mut late = Vec::new();
    match &setup.run {
        Some(command) => {
            for url in rooms.urls() {
                if !run::ends(command, &url, setup.patience)? {
                    late.push(url);
                }
            }
        }
        None => {
            say("let your agent read each of these once:\n")?;
            for url in rooms.urls() {
                say(&format!("{url}\n"))?;
            }
            wait(&rooms, &visits, setup.patience);
        }
    }
    let visits = visits.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let robots = visits.robots;
    let visits = visits.rooms.into_iter().map(read::Request::new).collect();
    let evidence = Evidence { agent: setup.agent.clone(), rooms, visits, published, robots, late };
    let lines = checks::all().map(|check| {
        let mark = (check.judge)(&evidence);
        Line { id: check.id, section: check.section, what: check.what, mark }
    });
    Ok(Report { graded: "signer", url: setup.home.clone(), lines: lines.collect() })
}

/// Until every room has been visited and the agent has had time for another try.
fn wait(rooms: &Rooms, visits: &Mutex<Visits>, patience: Duration) {
    let begin = Instant::now();
    loop {
        let all = {
            let visits = visits.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.targets().iter().all(|room| visits.of(room) > 0)
        };
        if all {
            std::thread::sleep(SETTLE);
        }
        if all || begin.elapsed() >= patience {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
