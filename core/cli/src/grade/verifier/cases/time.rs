//! Step 4: the window.

use super::Case;
use imagxp::Code;

pub(super) const CASES: &[Case] = &[
    Case::new("time.window", "§5", "290 s old and 50 s early still pass", |world| {
        world.allow(&world.read()?.at(world, -290)?.sign())?;
        world.allow(&world.read()?.at(world, 50)?.sign())
    }),
    Case::new("time.expired", "§5", "310 s, a day and 20 years old", |world| {
        let mut all = Vec::new();
        for age in [310, 86_400, 631_000_000] {
            all.push(world.read()?.at(world, -age)?.sign());
        }
        world.refuse_each(&all, Code::TimeExpired)
    }),
    Case::new("time.future", "§5", "70 s, a day and 20 years early", |world| {
        let mut all = Vec::new();
        for lead in [70, 86_400, 631_000_000] {
            all.push(world.read()?.at(world, lead)?.sign());
        }
        world.refuse_each(&all, Code::TimeFuture)
    }),
];
