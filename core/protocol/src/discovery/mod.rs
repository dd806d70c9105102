//! What a site asks of machine readers, and in which words it says so (PROTOCOL §9).
//!
//! Text from the network is parsed and reported, never obeyed silently: [`Preferences`] names each statement with its source, its
//! line and its own words, and what follows for each [`Purpose`](crate::Purpose) by the one table of [`vocabulary`]. Only
//! `robots.txt` allow/disallow ([`Robots::allows`]) is a rule that our agents always keep.
//!
//! ```
//! use imagxp::discovery::{Advice, Preferences, Sources};
//! use imagxp::Purpose;
//!
//! let robots = b"User-agent: *\nContent-Usage: / train-ai=n\nAllow: /\n";
//! let sources = Sources { robots: Some(robots), ..Sources::new("https://pub.example/news/1", "ExampleBot") };
//! let preferences = Preferences::read(&sources)?;
//! assert_eq!(preferences.purpose(Purpose::CrawlTraining).advice, Advice::Refrain);
//! assert_eq!(preferences.purpose(Purpose::Summary).advice, Advice::NoPreference);
//! # Ok::<(), imagxp::Error>(())
//! ```

pub mod cache;
mod content_signal;
mod content_usage;
pub mod emit;
mod finding;
pub mod link;
mod pattern;
mod preferences;
mod public_policy;
mod report;
pub mod robots;
mod robots_text;
pub mod rsl;
mod statement;
mod structured;
mod target;
pub mod vocabulary;
mod xml;

pub use finding::{Finding, Level, SourceKind};
pub use preferences::{Advice, Preferences, PurposeReport, Sources, State};
pub use public_policy::{PublicBroker, PublicPath, PublicPolicy, PublicRule, PublicTerms};
pub use robots::{Access, Robots};
pub use rsl::Rsl;
pub use statement::{Place, Pointer, Scope, Statement, Wish};
