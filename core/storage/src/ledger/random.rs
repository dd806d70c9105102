//! Random numbers for ids, drawn from the system many at a time: one by one they would be two calls of the system for each id.

/// How many bytes are drawn at once.
const DRAWN: usize = 4096;

/// Numbers that were drawn and not used.
#[derive(Debug, Default)]
pub(super) struct Random(Vec<u128>);

impl Random {
    /// A number that nobody can tell from the ones before; 0 when the system has none, over which the ids count on.
    pub(super) fn next(&mut self) -> u128 {
        if self.0.is_empty() {
            let mut bytes = [0; DRAWN];
            if getrandom::fill(&mut bytes).is_err() {
                return 0;
            }
            self.0.extend(bytes.as_chunks::<16>().0.iter().copied().map(u128::from_ne_bytes));
        }
        self.0.pop().unwrap_or_default()
    }
}
