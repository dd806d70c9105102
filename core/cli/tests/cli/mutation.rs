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

const SPENT: &str = r#"{"days":[{"day":20700,"hosts":[["https://pub.example","USD","0.05"]],"spent":{"USD":"0.05"}}],"floor":20700,"open":[{"agent_id":"bot.example.com","amount":"0.05","at":1788480000000,"audience":"https://pub.example","currency":"USD","day":20700,"id":"purchase-00000001","issuer":"https://broker.example","phase":"unknown","purpose":"SUMMARY"}],"total":{"USD":"0.05"},"version":1}"#;
const PAID: &str = r#"{"version":1,"origins":["https://pub.example"],"purposes":{"RAG_RETRIEVAL":{"price":{"amount":"0.05","currency":"USD"}}},"payment":{"brokers":[{"issuer":"https://broker.example","jwks_uri":"https://broker.example/jwks.json"}]}}"#;
const CONFIGURATION: &str = "issuer = 'https://broker.example'\nlisten = '127.0.0.1:8420'\n[money]\nassets = ['USD:6', 'EUR:6']\nfee_bps = 200\n[limits]\nbody_bytes = 65536\ndrain_s = 15\n[verify]\nstatuses = 'verdict'\n[log]\nlevel = 'info'\n";

/// Writes one good file of each kind.
fn write_all(sandbox: &Sandbox) {
    sandbox.sh("keygen -o key.pem").exits(0);
    sandbox.write("passphrase", "correct horse\n");
    sandbox.sh("keygen --encrypt -o sealed.key --passphrase-file passphrase").exits(0);
    sandbox.sh("rotate init --agent-id bot.example.com --dir keys").exits(0);
    sandbox.sh("rotate prepare --dir keys").exits(0);
    sandbox.write("policy.toml", "version = 1\norigins = ['https://pub.example']\n[purposes.SUMMARY]\nprice = { amount = '1', currency = 'USD' }\n[[paths]]\nmatch = '/x'\n");
    sandbox.write("spend.json", SPENT);
    sandbox.write("broker.toml", CONFIGURATION);
    sandbox.write("paid.json", PAID);
    sandbox.write("jwks.json", &sandbox.sh("jwk --set key.pem").exits(0).out);
    let visa = format!(
        "visa issue --key key.pem --issuer https://broker.example --audience https://pub.example --agent-id bot.example.com --amount 0.05 --now {NOW}"
    );
    sandbox.write("visa.txt", &sandbox.sh(&visa).exits(0).out);
    sandbox.sign("RAG_RETRIEVAL", "--payment @visa.txt");
    std::fs::rename(sandbox.path("request.json"), sandbox.path("paid-request.json")).unwrap();
    sandbox.sign("RAG_RETRIEVAL", "");
    sandbox.judge("verify", "--audit log --audit-key key.pem").exits(0);
    sandbox.sh("audit prove log 1 --key key.pem --out evidence.json").exits(0);
    let signed = sandbox.sh(&format!("sign --key agent.jwk --agent-id bot.example.com --purpose SUMMARY --url https://pub.example/ --now {NOW}"));
    let head = signed.exits(0).out.replace('\n', "\r\n");
    sandbox.write("head.http", &format!("GET / HTTP/1.1\r\n{head}\r\n"));
}

/// Each file with where its mutants lie, and what reads them there.
fn kinds() -> Vec<(&'static str, &'static str, String)> {
    let verify = format!("--now {NOW} --policy policy.json --manifest manifest.json");
    // Nobody listens there: the books are opened first.
    let fetch = "fetch http://127.0.0.1:1/ --key agent.jwk --agent-id bot.example.com --purpose SUMMARY --allow-loopback";
    let log = "log/0000000000000000.jsonl";
    vec![
        ("policy.toml", "mutant", "policy check mutant".to_owned()),
        ("policy.json", "mutant", "policy check mutant".to_owned()),
        ("request.json", "mutant", format!("explain mutant {verify}")),
        ("head.http", "mutant", format!("explain mutant {verify}")),
        (
            "manifest.json",
            "mutant",
            format!("verify request.json --now {NOW} --policy policy.json --manifest mutant"),
        ),
        ("manifest.json", "mutant", "manifest check mutant --agent-id bot.example.com".to_owned()),
        ("key.pem", "mutant", "key show mutant".to_owned()),
        ("agent.jwk", "mutant", "key show mutant".to_owned()),
        ("manifest.json", "mutant", "canonicalize mutant".to_owned()),
        ("sealed.key", "mutant", "key show mutant --passphrase-file passphrase".to_owned()),
        (
            "jwks.json",
            "mutant",
            format!(
                "verify paid-request.json --now {NOW} --policy paid.json --manifest manifest.json --jwks https://broker.example/jwks.json=mutant"
            ),
        ),
        ("evidence.json", "mutant", "audit verify --bundle mutant --key key.pem".to_owned()),
        (log, log, "audit verify log --key key.pem".to_owned()),
        (log, log, "audit show log".to_owned()),
        ("log/checkpoints", "log/checkpoints", "audit verify log --key key.pem".to_owned()),
        ("keys/rotation.json", "keys/rotation.json", "rotate status --dir keys".to_owned()),
        ("spend.json", "mutant", format!("{fetch} --max-price 0.05 --max-per-day 1 --spend-file mutant")),
        ("broker.toml", "mutant", "config check -c mutant".to_owned()),
    ]
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
    write_all(&sandbox);
    let mut tried = 0_u64;
    for (file, place, command) in kinds() {
        let original = std::fs::read(sandbox.path(file)).unwrap();
        std::fs::write(sandbox.path(place), &original).unwrap();
        // What is refused as it is would be refused for that, whatever else breaks it.
        let whole = sandbox.sh(&command);
        assert_ne!(whole.code, 2, "{command}: {whole:#?}");
        // Deriving the key takes a tenth of a second, as it should.
        let count = if file == "sealed.key" { count.min(1000) } else { count };
        for _ in 0..count {
            let mutant = random.mutate(&original);
            std::fs::write(sandbox.path(place), &mutant).unwrap();
            let run = sandbox.sh(&command);
            assert!(is_told(&run), "seed {seed}: {command}: {}\n{run:#?}", mutant.escape_ascii());
            tried += 1;
        }
        std::fs::write(sandbox.path(place), &original).unwrap();
    }
    println!("{tried} broken files broke nothing");
}
