//! Places where a test lets the disk fail. Outside tests they are nothing.

#[cfg(not(test))]
pub(crate) use off::{is_down, point};
#[cfg(test)]
pub(crate) use on::{crashing_at, failing_at, is_down, point};

#[cfg(not(test))]
mod off {
    #[inline(always)]
    pub(crate) fn point(_step: &'static str) -> std::io::Result<()> {
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn is_down() -> bool {
        false
    }
}

#[cfg(test)]
mod on {
    use std::cell::Cell;
    use std::io;

    #[derive(Clone, Copy)]
    struct Plan {
        left: usize,
        crash: bool,
        down: bool,
    }

    thread_local! {
        static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
    }

    /// A step that touches the disk; fails when its turn has come, and after a crash.
    pub(crate) fn point(step: &'static str) -> io::Result<()> {
        let Some(mut plan) = PLAN.get() else { return Ok(()) };
        let failed = || Err(io::Error::other(format!("made to fail: {step}")));
        if plan.down {
            return failed();
        }
        if plan.left == 0 {
            plan.down = plan.crash;
            plan.left = usize::MAX;
            PLAN.set(Some(plan));
            return failed();
        }
        plan.left -= 1;
        PLAN.set(Some(plan));
        Ok(())
    }

    /// Whether the machine is down, so that nothing is tidied up either.
    pub(crate) fn is_down() -> bool {
        PLAN.get().is_some_and(|plan| plan.down)
    }

    /// Runs with the step of this number failing.
    pub(crate) fn failing_at<T>(step: usize, act: impl FnOnce() -> T) -> T {
        with(Plan { left: step, crash: false, down: false }, act)
    }

    /// Runs with the step of this number, and everything after it, failing.
    pub(crate) fn crashing_at<T>(step: usize, act: impl FnOnce() -> T) -> T {
        with(Plan { left: step, crash: true, down: false }, act)
    }

    fn with<T>(plan: Plan, act: impl FnOnce() -> T) -> T {
        PLAN.set(Some(plan));
        let result = act();
        PLAN.set(None);
        result
    }
}
