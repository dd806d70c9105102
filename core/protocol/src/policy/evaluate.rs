//! Evaluation: who may read what for which purpose, at which price (step 10 of PROTOCOL §5).
//!
//! Every rule that speaks about the purpose is heard: the document's, the agent's and the paths'. One deny is enough; at least one
//! allow is needed; silence is deny. The price is that of the narrowest rule that names one; of equally narrow ones the dearest, or, as
//! amounts of two currencies cannot be compared, the first.

use super::document::{Document, PurposeRule, Rate, Unsigned};
use super::{Money, PathPattern, policy_refused};
use crate::agent_id::AgentId;
use crate::code::Code;
use crate::error::Result;
use crate::purpose::Purpose;
use std::collections::BTreeMap;

/// What is asked of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub agent_id: &'a AgentId,
    /// Whether the agent's domain vouches for its key. If not, rules for single agents can only deny: anyone could claim the name.
    pub domain_bound: bool,
    /// Why.
    pub purpose: Purpose,
    /// Where: every reading of the path, from [`crate::resource::path_readings`].
    pub paths: &'a [String],
}

/// The answer of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `None`: allowed; else `policy.purpose_denied` or `policy.agent_denied`.
    pub refusal: Option<Code>,
    /// The price to pay, when a payment is needed; `None` also when any visa will do.
    pub price: Option<Money>,
    /// Whether a payment is needed.
    pub payment_needed: bool,
    /// The rate that applies.
    pub rate: Option<Rate>,
}

/// How narrow the path rule is that names a price: its pattern, and whether it names the purpose. `None`: no path rule does.
type Rank = Option<(usize, bool)>;

/// Refused if either refuses, and the dearer price; in two currencies that of the narrower rule.
fn stricter((one, rank): (Decision, Rank), (other, other_rank): (Decision, Rank)) -> (Decision, Rank) {
    let dearer = match (&one.price, &other.price) {
        (Some(price), Some(candidate)) => candidate.prevails_over(price, other_rank > rank),
        (None, candidate) => candidate.is_some(),
        (Some(_), None) => false,
    };
    let (price, rank) = if dearer { (other.price, other_rank) } else { (one.price, rank) };
    let decision = Decision {
        refusal: one.refusal.or(other.refusal),
        price,
        payment_needed: one.payment_needed || other.payment_needed,
        rate: one.rate,
    };
    (decision, rank)
}

/// One rule that had a say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule's place in the document, for example `paths[2].purposes.SUMMARY`.
    pub rule: String,
    /// What it said, for example `allow`.
    pub says: String,
}

/// The compiled rules.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    purposes: Purposes,
    agents: Vec<Agent>,
    paths: Vec<Path>,
    price: Option<Money>,
    payment_required: bool,
    rate: Option<Rate>,
    unsigned: Unsigned,
}

/// How a path is compared with a pattern.
type Matches = fn(&PathPattern, &str) -> bool;

/// A part of a [`Reason`] that has not been written yet.
type Text<'a> = dyn Fn() -> String + 'a;

#[derive(Clone, Debug)]
struct Purposes(BTreeMap<Purpose, (bool, Option<Money>)>);

#[derive(Clone, Debug)]
struct Agent {
    domain: String,
    below: bool,
    allow: bool,
    purposes: Purposes,
    rate: Option<Rate>,
}

#[derive(Clone, Debug)]
struct Path {
    pattern: PathPattern,
    purposes: Purposes,
    price: Option<Money>,
    unsigned: Option<Unsigned>,
}

impl Rules {
    #[cold]
    pub(super) fn compile(document: &Document) -> Result<Self> {
        let read_price = |price: &Option<super::Price>, place: &str| {
            price.as_ref().map(|price| price.read(place)).transpose()
        };
        let mut agents = Vec::with_capacity(document.agents.len());
        for (index, rule) in document.agents.iter().enumerate() {
            let (domain, below) = match rule.matches.strip_prefix("*.") {
                Some(domain) => (domain, true),
                None => (rule.matches.as_str(), false),
            };
            // `*.example` is a fine pattern although `example` is no agent_id: check it as the parent of one.
            let probe = if below { format!("x.{domain}") } else { domain.to_owned() };
            if AgentId::parse(&probe, document.allow_loopback).is_none() {
                return Err(policy_refused(format_args!(
                    "`agents[{index}].match`: `{}` is not a domain or *.domain",
                    rule.matches
                )));
            }
            agents.push(Agent {
                domain: domain.to_owned(),
                below,
                allow: rule.allow,
                purposes: Purposes::compile(&rule.purposes, &format!("agents[{index}].purposes"))?,
                rate: rule.rate,
            });
        }
        let mut paths = Vec::with_capacity(document.paths.len());
        for (index, rule) in document.paths.iter().enumerate() {
            paths.push(Path {
                pattern: PathPattern::parse(&rule.matches).map_err(|error| {
                    policy_refused(format_args!("`paths[{index}].match`: {}", error.message()))
                })?,
                purposes: Purposes::compile(&rule.purposes, &format!("paths[{index}].purposes"))?,
                price: read_price(&rule.price, &format!("paths[{index}].price"))?,
                unsigned: rule.unsigned,
            });
        }
        Ok(Self {
            purposes: Purposes::compile(&document.purposes, "purposes")?,
            agents,
            paths,
            price: read_price(&document.price, "price")?,
            payment_required: document.payment.required,
            rate: document.rate,
            unsigned: document.unsigned,
        })
    }

    pub(super) fn unsigned_at(&self, paths: &[String]) -> Unsigned {
        let matches = |rule: &Path| paths.iter().any(|path| rule.pattern.matches_loosely(path));
        // Only what would be stricter is compared.
        self.paths.iter().fold(self.unsigned, |strictest, rule| match rule.unsigned {
            Some(unsigned) if unsigned > strictest && matches(rule) => unsigned,
            _ => strictest,
        })
    }

    pub(super) fn unsigned_strictest(&self) -> Unsigned {
        self.paths.iter().filter_map(|rule| rule.unsigned).fold(self.unsigned, Unsigned::max)
    }

    /// The strictest decision of all readings of the path, and of each as it is written and as a lax router reads it.
    pub(super) fn evaluate(
        &self,
        question: &Question<'_>,
        mut reasons: Option<&mut Vec<Reason>>,
    ) -> Decision {
        let exact = question.paths.iter().map(|path| (path, PathPattern::matches as Matches));
        let lax = question.paths.iter().filter(|path| self.reads_loosely(path));
        let lax = lax.map(|path| (path, PathPattern::matches_loosely as Matches));
        let mut decisions = exact
            .chain(lax)
            .map(|(path, matches)| self.evaluate_at(question, path, matches, reasons.as_deref_mut()));
        match decisions.next() {
            Some(first) => decisions.fold(first, stricter).0,
            // A path without a reading is one that nobody can vouch for.
            None => Decision {
                refusal: Some(Code::PolicyPurposeDenied),
                price: None,
                payment_needed: false,
                rate: None,
            },
        }
    }

    /// Whether a rule takes the path for its own only when it is read loosely.
    fn reads_loosely(&self, path: &str) -> bool {
        self.paths.iter().any(|rule| !rule.pattern.matches(path) && rule.pattern.matches_loosely(path))
    }

    fn evaluate_at(
        &self,
        question: &Question<'_>,
        path: &str,
        matches: Matches,
        mut reasons: Option<&mut Vec<Reason>>,
    ) -> (Decision, Rank) {
        // Written only for who wants to read it.
        let mut note = |rule: &Text<'_>, says: &Text<'_>| {
            if let Some(reasons) = reasons.as_deref_mut() {
                reasons.push(Reason { rule: rule(), says: says() });
            }
        };
        let word = |allow: bool| if allow { "allow" } else { "deny" }.to_owned();
        let purpose = question.purpose;
        let mut allowed = false;
        let mut denied = false;
        let mut agent_denied = false;
        let mut rate = self.rate;
        // The narrowest price wins: path and purpose, path, agent and purpose, purpose, document.
        let mut price = self.price.as_ref();

        let mut hear = |purposes: &Purposes,
                        place: &dyn Fn() -> String,
                        may_allow: bool,
                        note: &mut dyn FnMut(&Text<'_>, &Text<'_>)| {
            let Some((listed, (allow, _))) = purposes.rule(purpose) else { return };
            denied |= !allow;
            allowed |= *allow && may_allow;
            note(&|| format!("{}.{listed}", place()), &|| word(*allow));
        };

        hear(&self.purposes, &|| "purposes".to_owned(), true, &mut note);
        price = self.purposes.price(purpose).or(price);

        let specificity = |agent: &Agent| (!agent.below, agent.domain.len());
        let best = self.agents.iter().filter(|agent| agent.matches(question.agent_id)).map(specificity).max();
        for (index, agent) in self.agents.iter().enumerate() {
            if !agent.matches(question.agent_id) || Some(specificity(agent)) != best {
                continue;
            }
            agent_denied |= !agent.allow;
            note(&|| format!("agents[{index}]"), &|| word(agent.allow));
            hear(&agent.purposes, &|| format!("agents[{index}].purposes"), question.domain_bound, &mut note);
            // Without the domain's word, a name buys neither a better price nor a better rate.
            if question.domain_bound {
                price = agent.purposes.price(purpose).or(price);
                rate = agent.rate.or(rate);
            }
        }

        let mut path_price: Option<(usize, bool, &Money)> = None;
        for (index, rule) in self.paths.iter().enumerate() {
            if !matches(&rule.pattern, path) {
                continue;
            }
            hear(&rule.purposes, &|| format!("paths[{index}].purposes"), true, &mut note);
            let narrow = rule.purposes.price(purpose);
            if let Some(candidate) = narrow.or(rule.price.as_ref()) {
                let rank = (rule.pattern.specificity(), narrow.is_some());
                let better = path_price.is_none_or(|(specific, narrow, money)| {
                    rank > (specific, narrow)
                        || (rank == (specific, narrow) && candidate.prevails_over(money, false))
                });
                if better {
                    path_price = Some((rank.0, rank.1, candidate));
                }
            }
        }
        let rank = path_price.map(|(specific, narrow, _)| (specific, narrow));
        price = path_price.map(|(_, _, money)| money).or(price);

        let refusal = if agent_denied {
            Some(Code::PolicyAgentDenied)
        } else if denied || !allowed {
            Some(Code::PolicyPurposeDenied)
        } else {
            None
        };
        if !allowed && !denied {
            note(&|| format!("purposes.{purpose}"), &|| "deny, because no rule lists it".to_owned());
        }
        let payment_needed = price.map_or(self.payment_required, |price| !price.amount.is_zero());
        if let Some(price) = price {
            note(&|| "price".to_owned(), &|| format!("{} {}", price.amount, price.currency));
        }
        (Decision { refusal, price: price.filter(|_| payment_needed).cloned(), payment_needed, rate }, rank)
    }
}

impl Agent {
    fn matches(&self, agent: &AgentId) -> bool {
        let name = agent.as_str();
        if !self.below {
            return name == self.domain;
        }
        name.strip_suffix(self.domain.as_str()).is_some_and(|start| start.len() > 1 && start.ends_with('.'))
    }
}

impl Purposes {
    #[cold]
    fn compile(rules: &BTreeMap<Purpose, PurposeRule>, place: &str) -> Result<Self> {
        // Not `collect`: a map sorts what it is made from, with code for a million elements.
        let mut compiled = BTreeMap::new();
        for (purpose, rule) in rules {
            let price = rule
                .price
                .as_ref()
                .map(|price| price.read(&format!("{place}.{purpose}.price")))
                .transpose()?;
            compiled.insert(*purpose, (rule.allow, price));
        }
        Ok(Self(compiled))
    }

    /// The rule for a purpose; EMBEDDING falls under CRAWL_TRAINING's unless it is listed.
    fn rule(&self, purpose: Purpose) -> Option<(Purpose, &(bool, Option<Money>))> {
        let listed = |purpose| self.0.get(&purpose).map(|rule| (purpose, rule));
        listed(purpose)
            .or_else(|| (purpose == Purpose::Embedding).then(|| listed(Purpose::CrawlTraining)).flatten())
    }

    fn price(&self, purpose: Purpose) -> Option<&Money> {
        self.rule(purpose).and_then(|(_, (_, price))| price.as_ref())
    }
}
