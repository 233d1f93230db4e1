//! Takes connections, each within limits, and ends them when the service ends.
//!
//! In: an address, a router. Out: answers. Never: more connections or requests than fit, one that sends or takes its bytes
//! as slowly as it likes, or a failure here that ends the tagging.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use super::failure::Failure;

/// Connections at once: forty browsers. Each takes some 20 KB; more are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// Requests at once; more are told to come back.
const MAX_REQUESTS: usize = 64;
/// For a request's line and headers, also for a connection that is kept open for a next request.
const HEADER_PATIENCE: Duration = Duration::from_secs(15);
/// For an answer, its request's body included: an uploaded photo over a slow line.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// For a client that takes none of what is sent to it.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a request's line and headers.
const MAX_HEADER_BYTES: usize = 32 << 10;
/// Between two attempts to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(5);
/// What is under way when the service ends may take this long.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Listens, again and again where the address is taken; `told` hears each outcome. `None`: the service ends.
pub async fn listen(
    address: SocketAddr,
    stop: &mut watch::Receiver<bool>,
    told: impl Fn(Result<SocketAddr, io::Error>),
) -> Option<TcpListener> {
    loop {
        let opened = TcpListener::bind(address).await;
        match opened.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((local, listener)) => {
                told(Ok(local));
                return Some(listener);
            }
            Err(error) => told(Err(error)),
        }
        tokio::select! {
            () = stopped(stop) => return None,
            () = tokio::time::sleep(LISTEN_PAUSE) => {}
        }
    }
}

/// Answers until `stop`; what is under way then has a moment to end.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match stream {
            // Closed by being dropped.
            Ok(_) if connections.len() >= MAX_CONNECTIONS => {}
            Ok((stream, _)) => {
                connections.spawn(serve_one(stream, router.clone(), stop.clone()));
            }
            // Out of files, most likely; a moment later some are free.
            Err(error) => {
                tracing::warn!("web: no connection could be taken: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What has not ended by then is dropped with the set.
    let _ = tokio::time::timeout(END_PATIENCE, ended).await;
}

/// Waits until the service is to end, or has ended.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // What is returned is a lock, which must not be held on.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

async fn serve_one(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    // Small answers leave at once.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(
            TokioIo::new(Patient::new(stream)),
            TowerToHyperService::new(router),
        );
    tokio::pin!(connection);
    // Errors here are clients that went away or took too long: nothing to say.
    tokio::select! {
        _ = &mut connection => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Lets so many requests through at once, each for so long.
pub async fn limit(State(requests): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_permit) = requests.try_acquire() else {
        return Failure::Busy.into_response();
    };
    match tokio::time::timeout(ANSWER_PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::TimedOut.into_response(),
    }
}

/// For [`limit`].
pub fn request_permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_REQUESTS))
}

/// A connection that fails when the other side takes nothing for too long.
struct Patient {
    stream: TcpStream,
    /// Running while something waits to be sent.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            waiting: None,
        }
    }

    fn judge<T>(&mut self, sent: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.waiting = None;
            return sent;
        }
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_PATIENCE)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(sent, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(sent, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
