//! A worker of `run.py`; or, with `report NAME [SCALE]`, one simulation, as JSON; or, with `once NAME COUNT`, one row,
//! and with `idle NAME COUNT` what it makes ready, for `scripts/instructions.py`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark may panic")]

use imagxp_bench::worker;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => imagxp_bench::rows().serve(),
        ["report", name] => report(name, "1"),
        ["report", name, scale] => report(name, scale),
        ["once", name, count] => {
            worker::count();
            make(name)(count.parse().unwrap());
        }
        ["idle", name, count] => {
            worker::count();
            let mut row = make(name);
            worker::idle();
            row(count.parse().unwrap());
        }
        _ => panic!("usage: imagxp-bench [report NAME [SCALE] | once NAME COUNT | idle NAME COUNT]"),
    }
}

fn make(name: &str) -> worker::Row {
    imagxp_bench::rows().make(name).unwrap_or_else(|| panic!("there is no row {name}"))
}

fn report(name: &str, scale: &str) {
    let report = imagxp_bench::report(name, scale.parse().unwrap());
    println!("{}", report.unwrap_or_else(|| panic!("there is no report {name}")));
}
