//! docs/money-model.md says what the code does: its tables are made here (`UPDATE=1` rewrites them), and it leaves no state, event or finding out.
#![allow(clippy::unwrap_used, reason = "tests")]

use imagxp_broker::audit::FindingKind;
use imagxp_broker::rules::{
    CLOCK_SKEW_MS, CONTEST_WINDOW_MS, EXPIRY_GRACE_MS, FEEDBACK_WINDOW_MS, MAX_LIFETIME_S,
};
use imagxp_broker::{
    Account, AccountKey, Amount, Asset, EventKind, Kind, MAX_SCALE, Memo, Owner, Phase, Reference, Rules,
    TransferCode, VisaState, idempotency,
};
use std::collections::BTreeSet;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/money-model.md");

/// Of each kind of account two owners', so that it shows whether the owner matters.
fn accounts() -> Vec<Account> {
    let owner = |name| Owner::parse(name).unwrap();
    let bond = |name| AccountKey::locked(Asset::USD, owner(name), Reference::parse("bond").unwrap());
    let keys = [
        AccountKey::outside(Asset::USD),
        AccountKey::available(Asset::USD, owner("a")),
        AccountKey::available(Asset::USD, owner("b")),
        bond("a"),
        bond("b"),
        AccountKey::treasury(Asset::USD),
        AccountKey::rewards(Asset::USD),
    ];
    keys.iter().map(|key| Account::new(key, 0)).collect()
}

/// The shapes that a code allows, found by trying all of them.
fn shapes(code: TransferCode, phase: Phase) -> String {
    let accounts = accounts();
    let pairs = accounts.iter().flat_map(|debit| accounts.iter().map(move |credit| (debit, credit)));
    let pairs: Vec<_> = pairs.filter(|(debit, credit)| debit.id != credit.id).collect();
    let legal: Vec<_> =
        pairs.iter().filter(|(debit, credit)| code.check(phase, debit, credit).is_ok()).collect();
    if legal.len() == pairs.len() {
        return "any two accounts of one asset".to_owned();
    }
    let kinds: BTreeSet<(Kind, Kind)> =
        legal.iter().map(|(debit, credit)| (debit.kind, credit.kind)).collect();
    let shape = |(debit, credit): &(Kind, Kind)| {
        let here = legal.iter().filter(|pair| (pair.0.kind, pair.1.kind) == (*debit, *credit));
        let owned = matches!(debit, Kind::Available | Kind::Locked)
            && matches!(credit, Kind::Available | Kind::Locked);
        let whose = match here.map(|pair| pair.0.owner == pair.1.owner).collect::<BTreeSet<_>>() {
            _ if !owned => "",
            same if same == BTreeSet::from([true]) => " of the same owner",
            same if same == BTreeSet::from([false]) => " of another owner",
            _ => "",
        };
        format!("`{}` → `{}`{whose}", debit.as_str(), credit.as_str())
    };
    kinds.iter().map(shape).collect::<Vec<_>>().join(", ")
}

fn codes() -> String {
    let mut table =
        "| code | from → to | phases | from a frozen account |\n| --- | --- | --- | --- |\n".to_owned();
    for code in TransferCode::ALL {
        let phases: Vec<Phase> =
            Phase::ALL.into_iter().filter(|phase| !shapes(code, *phase).is_empty()).collect();
        // One shape in every phase.
        let shape: BTreeSet<String> = phases.iter().map(|phase| shapes(code, *phase)).collect();
        let names: Vec<String> = phases.iter().map(|phase| format!("`{}`", phase.as_str())).collect();
        let frozen = if code.ignores_freeze() { "yes" } else { "no" };
        table += &format!(
            "| `{}` | {} | {} | {frozen} |\n",
            code.as_str(),
            shape.into_iter().collect::<Vec<_>>().join("; "),
            names.join(", ")
        );
    }
    table
}

fn numbers() -> String {
    let duration = |ms: i64| match ms {
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms => format!("{} s", ms / 1000),
    };
    let rules = Rules::default();
    let fee = Amount::from_units(10_000).basis_points(rules.fee_bps).units();
    let rows = [
        ("the longest life of a visa, `exp` − `iat`", duration(i64::from(MAX_LIFETIME_S) * 1000)),
        ("after `exp` a visa may still be redeemed for", duration(EXPIRY_GRACE_MS)),
        ("after the redemption feedback is waited for", duration(FEEDBACK_WINDOW_MS)),
        ("after the feedback withheld money may be contested for", duration(CONTEST_WINDOW_MS)),
        ("an idempotency key is remembered for", duration(idempotency::KEPT_MS)),
        ("of which for clocks that differ", duration(CLOCK_SKEW_MS)),
        ("the fee unless configured otherwise", format!("{fee} of 10 000")),
        ("the most digits after the point of an asset", MAX_SCALE.to_string()),
        ("the longest memo, in bytes", Memo::MAX_BYTES.to_string()),
        ("the longest reference or idempotency key, in bytes", Reference::MAX_BYTES.to_string()),
    ];
    let mut table = "| | |\n| --- | --- |\n".to_owned();
    for (what, value) in rows {
        table += &format!("| {what} | {value} |\n");
    }
    table
}

/// The text with what stands between the two marks of a name replaced.
fn with(text: &str, name: &str, made: &str) -> String {
    let (begin, end) = (format!("<!-- made: {name} -->\n"), "<!-- end -->\n");
    let (head, rest) = text.split_once(&begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    format!("{head}{begin}{made}{end}{tail}")
}

#[test]
fn the_money_model_is_the_codes() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let made = with(&with(&text, "codes", &codes()), "numbers", &numbers());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &made).unwrap();
    } else {
        assert_eq!(text, made, "docs/money-model.md is out of date: run with UPDATE=1");
    }
}

#[test]
fn the_money_model_leaves_nothing_out() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let states = VisaState::ALL.map(VisaState::as_str);
    let kinds = Kind::ALL.map(Kind::as_str);
    let events = EventKind::ALL.iter().map(|kind| kind.as_str());
    let findings = FindingKind::ALL.iter().map(|kind| kind.as_str());
    for name in states.into_iter().chain(kinds).chain(events).chain(findings) {
        assert!(text.contains(&format!("`{name}`")), "docs/money-model.md does not name `{name}`");
    }
}
