//! A listener: bounded connections, deadlines for headers and for peers that take nothing, TLS, and an end that drains.

use crate::stall::Stall;
use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Who is at the other end of the connection: a client, or a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Bytes of a request's header that are held at most.
const HEADER_BYTES: usize = 64 * 1024;

/// How long a write may wait for the peer.
const STALL: Duration = Duration::from_secs(20);

/// One listener and its bounds.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) connections: usize,
    pub(crate) header: Duration,
    pub(crate) drain: Duration,
}

impl Door {
    /// Serves until `stop` is true, then lets the requests at work end, for `drain` at most.
    pub(crate) async fn serve(self, app: Router, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.connections));
        let mut tasks = JoinSet::new();
        loop {
            // A place first: whoever has none waits in the kernel's queue and costs nothing here.
            let place = tokio::select! {
                () = stopped(&mut stop) => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let guest =
                        Guest { app: app.clone(), peer, header: self.header, stop: stop.clone(), place };
                    tasks.spawn(guest.serve(stream, self.tls.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: the loop must neither end nor spin.
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            while tasks.try_join_next().is_some() {}
        }
        drop(self.listener);
        let drained =
            tokio::time::timeout(self.drain, async { while tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(connections = tasks.len(), "connections were cut off at the end");
        }
    }
}

/// Waits until the service ends.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say so: the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Guest {
    app: Router,
    peer: SocketAddr,
    header: Duration,
    stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
}

impl Guest {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let open = metrics::gauge!("imagxp_http_connections");
        open.increment(1.0);
        let _place = &self.place;
        match tls {
            None => self.http(stream).await,
            Some(tls) => match tokio::time::timeout(self.header, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS failed"),
                Err(_) => tracing::debug!("TLS took too long"),
            },
        }
        open.decrement(1.0);
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
        let (app, peer) = (self.app.clone(), self.peer);
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            app.clone().oneshot(request.map(axum::body::Body::new))
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.header).max_buf_size(HEADER_BYTES);
        let connection = builder.serve_connection(TokioIo::new(Stall::new(stream, STALL)), service);
        let mut connection = core::pin::pin!(connection);
        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
