//! Broken files: whatever they contain, the program ends with one of its exit codes and says why.

use crate::sandbox::{NOW, Run, Sandbox};

/// xorshift64*: the same files in every run of the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % bound
    }

    fn mutate(&mut self, original: &[u8]) -> Vec<u8> {
        const TOKENS: [&[u8]; 12] = [
            b"\"",
            b"{",
            b"]",
            b"\n",
            b"\r\n\r\n",
            b"\\u0000",
            b"\xff",
            b"\0",
            b"-----",
            b"1e999",
            b"[[",
            b"\xe2\x80\xae",
        ];
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len().max(1)).min(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.splice(at..at, TOKENS[self.below(TOKENS.len())].iter().copied()).for_each(drop),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => {
                    let end = (at + 1 + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
        bytes
    }
}

/// Whether the program has ended as it says it does: with one of its codes, and where a file was of no use, with a sentence.
fn is_told(run: &Run) -> bool {
    let told = run.code != 2 || (run.err.contains("error: ") && run.err.lines().count() <= 2);
    (0..=3).contains(&run.code) && told
}

/// The seeded faults: a program that panics, one that a signal ends, and one that says nothing.
#[test]
fn a_program_that_breaks_is_found() {
    let run = |code, err: &str| Run { code, out: String::new(), err: err.to_owned() };
    let panicked = "thread 'main' panicked at src/main.rs:1:1:\nerror: out of range\nnote: run with `RUST_BACKTRACE=1`\n";
    for broken in [run(101, panicked), run(-1, ""), run(134, "error: "), run(2, ""), run(2, panicked)] {
        assert!(!is_told(&broken), "{broken:#?}");
    }
    assert!(is_told(&run(2, "error: not JSON\n")) && is_told(&run(0, "")));
}

/// `IMAGXP_MUTATIONS` sets how many files of each kind are tried, `IMAGXP_SEED` repeats a run.
#[test]
fn broken_files_break_nothing() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = number("IMAGXP_SEED").unwrap_or_else(clock);
    let count = number("IMAGXP_MUTATIONS").unwrap_or(40);
    println!("seed {seed}, {count} files of each kind");
    let mut random = Random(u64::from(seed) << 1 | 1);
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    sandbox.sh("keygen -o key.pem").exits(0);
    sandbox.write("policy.toml", "version = 1\norigins = ['https://pub.example']\n[purposes.SUMMARY]\nprice = { amount = '1', currency = 'USD' }\n[[paths]]\nmatch = '/x'\n");
    let signed = sandbox.sh(&format!("sign --key agent.jwk --agent-id bot.example.com --purpose SUMMARY --url https://pub.example/ --now {NOW}"));
    sandbox
        .write("head.http", &format!("GET / HTTP/1.1\r\n{}\r\n", signed.exits(0).out.replace('\n', "\r\n")));
    let verify = format!("--now {NOW} --policy policy.json --manifest manifest.json");
    let mut tried = 0_u64;
    for (file, command) in [
        ("policy.toml", "policy check mutant".to_owned()),
        ("policy.json", "policy check mutant".to_owned()),
        ("request.json", format!("explain mutant {verify}")),
        ("head.http", format!("explain mutant {verify}")),
        ("manifest.json", format!("verify request.json --now {NOW} --policy policy.json --manifest mutant")),
        ("manifest.json", "manifest check mutant --agent-id bot.example.com".to_owned()),
        ("key.pem", "key show mutant".to_owned()),
        ("agent.jwk", "key show mutant".to_owned()),
        ("manifest.json", "canonicalize mutant".to_owned()),
    ] {
        let original = std::fs::read(sandbox.path(file)).unwrap();
        for _ in 0..count {
            let mutant = random.mutate(&original);
            std::fs::write(sandbox.path("mutant"), &mutant).unwrap();
            let run = sandbox.sh(&command);
            assert!(is_told(&run), "seed {seed}: {command}: {}\n{run:#?}", mutant.escape_ascii());
            tried += 1;
        }
    }
    println!("{tried} broken files broke nothing");
}
