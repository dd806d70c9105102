//! Each row alone, with criterion's statistics: `cargo bench -p imagxp-bench --bench rows -- verify/hot`. Ratios to peers are `run.py`'s.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may panic")]

use criterion::{Criterion, criterion_group, criterion_main};

fn rows(criterion: &mut Criterion) {
    let rows = imagxp_bench::rows();
    for name in rows.names() {
        // Made when criterion wants it: most are filtered out.
        let mut row = None;
        criterion.bench_function(name, |bencher| {
            let row = row.get_or_insert_with(|| rows.make(name).unwrap());
            bencher.iter_custom(|count| row(usize::try_from(count).unwrap()));
        });
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
