//! Listening, and the life of connections.
//!
//! Promise: a client that sends slowly, or nothing, is cut off; a busy port is one clear line; when told to stop the
//! server takes no more connections, finishes what it is answering, and is gone after its grace at the latest.
//!
//! `axum::serve` cannot bound the time that a request's head may take, so the connections are driven here.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::context::Peer;

/// Why a server cannot listen: one line that names the key and the mend.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there already.
    #[error("{key}: {address} is in use by another program; stop that program or choose another port")]
    Busy {
        /// The key of the configuration.
        key: &'static str,
        /// The address as configured.
        address: String,
    },
    /// It is no address of this machine, or no address at all.
    #[error("{key}: `{address}` is no address of this machine ({error}); write HOST:PORT, such as 127.0.0.1:8080")]
    Address {
        /// The key of the configuration.
        key: &'static str,
        /// The address as configured.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// Ports below 1024 want a privilege.
    #[error("{key}: this user may not listen on {address}; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE")]
    Forbidden {
        /// The key of the configuration.
        key: &'static str,
        /// The address as configured.
        address: String,
    },
    /// Anything else.
    #[error("{key}: cannot listen on {address}: {error}")]
    Other {
        /// The key of the configuration.
        key: &'static str,
        /// The address as configured.
        address: String,
        /// What the system says.
        error: io::Error,
    },
}

/// Listens on `address` (`HOST:PORT`); `key` is the configuration's name for it, for the error.
pub async fn bind(key: &'static str, address: &str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| {
        let address = address.to_owned();
        match error.kind() {
            io::ErrorKind::AddrInUse => BindError::Busy { key, address },
            io::ErrorKind::PermissionDenied => BindError::Forbidden { key, address },
            // A name that does not resolve is `Uncategorized` and recognised by having no number of the system's.
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::InvalidInput => BindError::Address { key, address, error },
            _ if error.raw_os_error().is_none() => BindError::Address { key, address, error },
            _ => BindError::Other { key, address, error },
        }
    })
}

/// How a listener's connections are treated.
#[derive(Debug, Clone)]
pub struct Server {
    /// How long a client may take to send a request's head; also how long a connection may stay without a request.
    pub header_timeout: Duration,
    /// How many connections are open at a time; more wait in the system's backlog.
    pub max_connections: usize,
    /// How long requests may take to finish after the stop.
    pub grace: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(10), max_connections: 8_192, grace: Duration::from_secs(8) }
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How many connections were cut because they did not finish within the grace.
    pub cut: usize,
}

/// The HTTP library's own limit, above the front's: what lies between is answered with a problem.
const READ_BUFFER: usize = 64 << 10;
/// After an error of `accept` that is not one connection's own, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

impl Server {
    /// Serves `router` until `stop` is cancelled, then drains.
    pub async fn run(self, listener: TcpListener, router: Router, stop: CancellationToken) -> Drained {
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(self.max_connections));
        let builder = Arc::new(self.builder());
        while let Some((stream, peer, place)) = next(&listener, &places, &stop).await {
            let connection = Connection {
                builder: builder.clone(),
                router: router.clone(),
                peer,
                first_request: self.header_timeout,
                stop: stop.clone(),
                _place: place,
                _open: Open::count(),
            };
            // Those that have ended are forgotten.
            while connections.try_join_next().is_some() {}
            connections.spawn(connection.serve(stream));
        }
        drop(listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        // Whatever came of it, those that are still there are cut.
        let _ = time::timeout(self.grace, ended).await;
        let drained = Drained { cut: connections.len() };
        connections.shutdown().await;
        if drained.cut > 0 {
            tracing::warn!(connections = drained.cut, "cut connections that did not finish within the grace");
        }
        drained
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.header_timeout).max_buf_size(READ_BUFFER);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(READ_BUFFER).unwrap_or(u32::MAX))
            .max_concurrent_streams(128)
            // A peer that is gone without a word is noticed.
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        builder
    }
}

/// The next connection and its place; none when the server is to stop.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepted = async {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepted).await.flatten()
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Counts a connection as open for as long as it lives.
struct Open;

impl Open {
    fn count() -> Self {
        metrics::gauge!("mintreu_http_connections").increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("mintreu_http_connections").decrement(1.0);
    }
}

struct Connection {
    builder: Arc<auto::Builder<TokioExecutor>>,
    router: Router,
    peer: SocketAddr,
    first_request: Duration,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
    _open: Open,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Answers are small; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let asked = Arc::new(AtomicBool::new(false));
        let (peer, asking) = (Peer(self.peer), asked.clone());
        let service = self.router.clone().map_request(move |request| {
            asking.store(true, Ordering::Relaxed);
            enter(request, peer)
        });
        let service = TowerToHyperService::new(service);
        let mut connection = pin!(self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        // The library looks for the protocol's first bytes without a limit of time, so the first request has one here.
        let mut first_request = pin!(time::sleep(self.first_request));
        let mut stopped = pin!(self.stop.cancelled());
        let (mut waits, mut runs) = (true, true);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %self.peer, error, "a connection ended early");
                    }
                    return;
                }
                () = first_request.as_mut(), if waits => {
                    if !asked.load(Ordering::Relaxed) {
                        tracing::debug!(peer = %self.peer, "a connection brought no request in time");
                        return;
                    }
                    waits = false;
                }
                () = stopped.as_mut(), if runs => {
                    connection.as_mut().graceful_shutdown();
                    runs = false;
                }
            }
        }
    }
}

fn enter<B>(request: axum::http::Request<B>, peer: Peer) -> Request
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request
}
