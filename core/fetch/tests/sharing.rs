//! What fetches have in common: budgets, single flight, memory for failures; threads, run-times and forks.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod support;

use hickory_resolver::proto::rr::RecordType;
use imagxp_fetch::{Call, FetchFailure, Fetcher, Options, Profile};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use support::{HOME, Server, answer, until, world};

const URL: &str = "https://bot.example.com/m";

/// Many threads at once; what each came back with.
fn together<T: Send + 'static>(count: usize, act: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let (act, barrier) = (Arc::new(act), Arc::new(Barrier::new(count)));
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let (act, barrier) = (Arc::clone(&act), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                act(number)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn one_fetch_per_url_at_a_time() {
    let (fetcher, server, names) = world(|stream, _| {
        // Longer than the slowest of the threads needs to start, shorter than the deadline.
        thread::sleep(Duration::from_millis(1500));
        answer(stream, "200 OK", "", b"{}");
    });
    let results = together(40, move |_| fetcher.get(URL, Profile::JWKS).map(|answer| answer.body));
    assert!(results.iter().all(|result| result.as_deref() == Ok(b"{}")), "{results:?}");
    assert_eq!((server.connections(), names.asked("bot.example.com", RecordType::A)), (1, 1));
}

#[test]
fn a_failure_is_remembered_and_being_over_budget_is_not() {
    let healthy = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&healthy);
    let (fetcher, server, _names) = world(move |stream, _| {
        answer(stream, if switch.load(Ordering::SeqCst) { "200 OK" } else { "500 Oh" }, "", b"{}");
    });
    assert_eq!(fetcher.get(URL, Profile::MANIFEST).unwrap_err().failure, FetchFailure::Failed);
    healthy.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        let error = fetcher.clone().get(URL, Profile::MANIFEST).unwrap_err();
        assert!(error.failure == FetchFailure::Failed && error.detail.contains("minute"), "{error}");
    }
    assert_eq!(server.connections(), 1);
    let other = "https://bot.example.com/other";
    assert!(fetcher.get(other, Profile::MANIFEST).is_ok());
    let error = fetcher.get("https://bot.example.com/third", Profile::JWKS).unwrap_err();
    assert_eq!(
        error.failure,
        FetchFailure::Busy,
        "two in a minute from one host, whatever the document: {error}"
    );
    assert!(fetcher.get(URL, Profile::DOCUMENT).is_ok(), "documents have no such bound");
    assert_eq!(server.connections(), 3);
}

#[test]
fn thirty_two_in_flight() {
    let gate = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&gate);
    let inside = Arc::new(AtomicUsize::new(0));
    let entered = Arc::clone(&inside);
    let server = Server::http(HOME, move |stream, _| {
        entered.fetch_add(1, Ordering::SeqCst);
        until("the gate", || open.load(Ordering::SeqCst));
        answer(stream, "200 OK", "", b"{}");
    });
    let fetcher = Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap();
    let origin = format!("http://127.0.0.1:{}", server.port);
    let release = Arc::clone(&gate);
    let refused = AtomicUsize::new(0);
    let results = together(40, move |number| {
        let result = fetcher.send(&Call::get(format!("{origin}/{number}")), Profile::PAGE);
        if result.is_err() {
            // Whoever is refused is refused at once, while the others still wait; the last to be refused lets them go. Before that, a
            // thread that comes late would find a place that has become free.
            if refused.fetch_add(1, Ordering::SeqCst) == 7 {
                until("all others at the server", || inside.load(Ordering::SeqCst) >= 32);
                release.store(true, Ordering::SeqCst);
            }
        }
        result
    });
    let busy: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(busy.iter().all(|error| error.failure == FetchFailure::Busy && !error.sent), "{busy:?}");
    assert_eq!((results.len() - busy.len(), server.connections()), (32, 32));
}

#[test]
fn fifty_in_a_second() {
    let server = Server::http(HOME, |stream, _| answer(stream, "200 OK", "", b"{}"));
    let fetcher = Fetcher::new(Options { allow_loopback: true, ..Options::default() }).unwrap();
    let call = Call::get(format!("http://127.0.0.1:{}/", server.port));
    let begin = Instant::now();
    let mut done = 0_u32;
    // Two seconds' worth, however long the machine needs for it.
    while done < 140 && begin.elapsed() < Duration::from_secs(60) {
        match fetcher.send(&call, Profile::PAGE) {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error.failure, FetchFailure::Busy, "{error}"),
        }
    }
    let most = 50.0 + 50.0 * begin.elapsed().as_secs_f64();
    println!("{done} in {:?}", begin.elapsed());
    assert!(done == 140 && f64::from(done) <= most, "{done}");
}

#[test]
fn within_a_runtime_it_still_works() {
    let (fetcher, _server, _names) = world(|stream, _| answer(stream, "200 OK", "", b"{}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = runtime.block_on(async { fetcher.get(URL, Profile::MANIFEST).unwrap().body });
    assert_eq!(body, b"{}");
}

#[cfg(feature = "async")]
#[test]
fn a_leader_that_is_cancelled_strands_nobody() {
    let cancelled = Arc::new(AtomicBool::new(false));
    let (gate, cancel) = (Arc::clone(&cancelled), Arc::clone(&cancelled));
    let (fetcher, server, _names) = world(move |stream, _| {
        // The leader is not answered before it is cancelled.
        until("the end of the leader", || gate.load(Ordering::SeqCst));
        answer(stream, "200 OK", "", b"{}");
    });
    let (leader, asked) = (fetcher.clone(), Arc::clone(&server.connections));
    let leading = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut fetch = Box::pin(leader.get_async(URL, Profile::JWKS));
            let mut going_on = async |millis| {
                let answered = tokio::time::timeout(Duration::from_millis(millis), &mut fetch).await;
                assert!(answered.is_err(), "{answered:?}");
            };
            while asked.load(Ordering::SeqCst) == 0 {
                going_on(10).await;
            }
            // Until the other waits for it.
            going_on(300).await;
        });
        cancel.store(true, Ordering::SeqCst);
    });
    until("the leader at the server", || server.connections() > 0);
    // Another thread, another run-time.
    let begin = Instant::now();
    assert_eq!(fetcher.get(URL, Profile::JWKS).unwrap().body, b"{}");
    assert!(begin.elapsed() < Profile::JWKS.deadline);
    leading.join().unwrap();
    assert_eq!(server.connections(), 2, "the follower has become the leader");
}

/// Whoever fetches for the others may be a future that nobody polls. They wait as long as a fetch may take, and no longer.
#[cfg(feature = "async")]
#[test]
fn a_leader_that_sleeps_holds_up_nobody_beyond_the_deadline() {
    use std::future::{Future, poll_fn};
    use std::sync::mpsc::channel;
    use std::task::Poll;
    let (fetcher, server, _names) = world(|stream, _| answer(stream, "200 OK", "", b"{}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut leader = Box::pin(fetcher.get_async(URL, Profile::MANIFEST));
    let polled = poll_fn(|context| Poll::Ready(leader.as_mut().poll(context).is_pending()));
    assert!(runtime.block_on(polled), "there is no answer yet");
    let (tell, told) = channel();
    let follower = fetcher.clone();
    let wait = Profile::MANIFEST.deadline;
    thread::spawn(move || {
        let begin = Instant::now();
        let on_its_own = follower.get(URL, Profile::MANIFEST);
        tell.send((on_its_own, begin.elapsed())).unwrap();
        // On a thread that drives a run-time, such as the one that ought to poll the leader.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let begin = Instant::now();
        let within = runtime.block_on(async { follower.get(URL, Profile::MANIFEST) });
        tell.send((within, begin.elapsed())).unwrap();
        let begin = Instant::now();
        let waiting = runtime.block_on(follower.get_async(URL, Profile::MANIFEST));
        tell.send((waiting, begin.elapsed())).unwrap();
    });
    for _ in 0..3 {
        let (result, took) = told.recv_timeout(4 * wait).expect("a follower waits for ever");
        let error = result.unwrap_err();
        assert_eq!((error.failure, error.sent), (FetchFailure::Failed, false), "{error}");
        assert!(took >= wait - Duration::from_millis(1) && took < 2 * wait, "{took:?}");
    }
    assert_eq!(server.connections(), 0);
    // That says nothing about the URL: nothing is remembered.
    drop(leader);
    assert_eq!(fetcher.get(URL, Profile::MANIFEST).unwrap().body, b"{}");
}
