pub(crate) mod woven {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    static CHOSEN: OnceLock<(usize, Option<std::path::PathBuf>)> = OnceLock::new();
    static REACHED: [AtomicBool; NUMBERS] = [const { AtomicBool::new(false) }; NUMBERS];

    pub(crate) fn on(number: usize) -> bool {
        let (chosen, reached) = CHOSEN.get_or_init(|| {
            let chosen = std::env::var("IMAGXP_MUTANT").ok().and_then(|text| text.parse().ok());
            (chosen.unwrap_or(usize::MAX), std::env::var_os("IMAGXP_MUTANTS_REACHED").map(Into::into))
        });
        if let Some(path) = reached
            && !REACHED[number].swap(true, Ordering::Relaxed)
        {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        *chosen == number
    }
}
