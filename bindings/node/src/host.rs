//! What the JavaScript half of the package lends to this half: a maker of error objects, and the way to warnings.

use napi::bindgen_prelude::{FnArgs, Function, FunctionRef, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status};
use napi_derive::napi;
use std::cell::RefCell;
use std::sync::{Arc, mpsc};

/// Kind (`error`, `type`, `fetch`, `read`), code, message, cause, further members as JSON.
pub(crate) type ErrorArguments =
    FnArgs<(&'static str, String, String, Option<Unknown<'static>>, Option<String>)>;
type WarningArguments = FnArgs<(String, Unknown<'static>)>;

thread_local! {
    /// One for each thread that runs JavaScript: the main thread, and each worker with an isolate of its own.
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

type Job = Box<dyn FnOnce() + Send>;

/// The way back to a thread that runs JavaScript. It keeps nobody alive: what waits for it is a promise, which does.
#[derive(Clone)]
pub(crate) struct Home(Arc<ThreadsafeFunction<Job, (), (), Status, false, true>>);

impl Home {
    /// Does `act` there and waits for it; `None` when that thread has ended.
    ///
    /// Only for threads that `worker` started: there, nobody of that thread waits for whoever calls this.
    pub(crate) fn visit<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, receiver) = mpsc::channel();
        let job: Job = Box::new(move || {
            let _gone = sender.send(act());
        });
        let status = self.0.call(job, ThreadsafeFunctionCallMode::NonBlocking);
        if status != Status::Ok {
            return None;
        }
        receiver.recv().ok()
    }
}

struct Host {
    env: Env,
    home: Home,
    make_error: FunctionRef<ErrorArguments, Unknown<'static>>,
    warn: FunctionRef<WarningArguments, Unknown<'static>>,
}

/// Called once by `index.cjs` on each thread that loads the package.
#[napi(js_name = "_install", skip_typescript)]
pub fn install(
    env: Env,
    make_error: Function<'_, ErrorArguments, Unknown<'static>>,
    warn: Function<'_, WarningArguments, Unknown<'static>>,
    nothing: Function<'_, (), ()>,
) -> Result<()> {
    let home = nothing.build_threadsafe_function::<Job>().weak::<true>().build_callback(|context| {
        (context.value)();
        Ok(())
    })?;
    let home = Home(Arc::new(home));
    let host = Host { env, home, make_error: make_error.create_ref()?, warn: warn.create_ref()? };
    HOST.with(|slot| slot.replace(Some(host)));
    Ok(())
}

/// The environment of this thread, when it runs JavaScript.
pub(crate) fn env() -> Option<Env> {
    HOST.with(|slot| slot.borrow().as_ref().map(|host| host.env))
}

/// The way back to this thread.
pub(crate) fn home() -> Option<Home> {
    HOST.with(|slot| slot.borrow().as_ref().map(|host| host.home.clone()))
}

/// An error object of the package's own classes, when this thread runs JavaScript.
pub(crate) fn error_object(arguments: ErrorArguments) -> Option<Unknown<'static>> {
    HOST.with(|slot| {
        let slot = slot.borrow();
        let host = slot.as_ref()?;
        host.make_error.borrow_back(&host.env).ok()?.call(arguments).ok()
    })
}

/// Reports an exception that cannot be thrown where it happened: in a replay store, in a rule or a sink of the publisher.
pub(crate) fn warn(message: &str, error: napi::Error) {
    HOST.with(|slot| {
        let slot = slot.borrow();
        let Some(host) = slot.as_ref() else { return };
        let value = napi::JsError::from(error).into_unknown(host.env);
        if let Ok(warn) = host.warn.borrow_back(&host.env) {
            let _reported = warn.call(FnArgs::from((message.to_owned(), value)));
        }
    });
}
