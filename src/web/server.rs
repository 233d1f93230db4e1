//! Takes connections, each within limits, and ends them when the service ends.
//!
//! In: an address, a router. Out: answers. Never: more connections or requests than fit, one that sends or takes its bytes
//! as slowly as it likes, or a failure here that ends the tagging.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Sleep;

use super::again;
use super::failure::{Failure, refused};

/// Connections at once: forty browsers. Each takes some 20 KB; more are closed at once.
pub const MAX_CONNECTIONS: usize = 256;
/// Requests at once, but for pictures, uploads, probes and what needs no token; more are told to come back.
const MAX_REQUESTS: usize = 64;
/// Uploaded pictures at once, each as large as `limits.max_file_bytes` allows. More wait for their turn, their bytes unread.
const MAX_UPLOADS: usize = 2;
/// For a request's line and headers, also for a connection that is kept open for a next request.
const HEADER_PATIENCE: Duration = Duration::from_secs(15);
/// For an answer, its request's body included: an uploaded photo over a slow line.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// For an answer that needs no token, its request's body included: a token in a form is one packet, the rest comes from
/// memory.
const TOKENLESS_PATIENCE: Duration = Duration::from_secs(5);
/// A client whom something waits for must take [`LEAST_TAKEN_BYTES`] of it, or all, in this time.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// Three kilobytes a second: a phone with a bad signal. Without it a byte now and then would hold a connection for good.
const LEAST_TAKEN_BYTES: usize = 64 << 10;
/// Bytes of a request's line and headers.
const MAX_HEADER_BYTES: usize = 32 << 10;
/// Bytes of a request that is refused which are read all the same: a phone's photo.
const MAX_READ_AWAY_BYTES: usize = 16 << 20;
/// What is under way when the service ends may take this long.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// Listens, as soon as the address can be had; at which one. `told` hears why it cannot. `None`: the service ends.
pub async fn listen(
    address: SocketAddr,
    stop: &mut watch::Receiver<bool>,
    told: impl FnMut(&str),
) -> Option<(SocketAddr, TcpListener)> {
    let attempt = async || {
        let listener = TcpListener::bind(address).await?;
        Ok::<_, io::Error>((listener.local_addr()?, listener))
    };
    again::until_it_works(stop, attempt, told).await
}

/// Answers until `stop`; what is under way then has a moment to end.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut is_full = false;
    loop {
        let stream = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => {
                is_full &= connections.len() > MAX_CONNECTIONS / 2;
                tell_of_panic(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match stream {
            // Closed by being dropped; said once until half of them have ended, however many try meanwhile.
            Ok(_) if connections.len() >= MAX_CONNECTIONS => {
                if !std::mem::replace(&mut is_full, true) {
                    tracing::warn!("web: {MAX_CONNECTIONS} connections are open; more are closed at once");
                }
            }
            Ok((stream, _)) => {
                // Small answers leave at once.
                let _ = stream.set_nodelay(true);
                let patient = Patient::new(stream, WRITE_PATIENCE);
                connections.spawn(serve_one(patient, router.clone(), stop.clone()));
            }
            // Out of files, most likely; a moment later some are free.
            Err(error) => {
                tracing::warn!("web: no connection could be taken: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let ended = async {
        while let Some(ended) = connections.join_next().await {
            tell_of_panic(ended);
        }
    };
    // What has not ended by then is dropped with the set.
    let _ = tokio::time::timeout(END_PATIENCE, ended).await;
}

/// A connection's failures are its client's, but a panic is ours.
fn tell_of_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("web: a connection failed: {error}; this is a bug");
    }
}

/// Waits until the service is to end, or has ended.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // What is returned is a lock, which must not be held on.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

async fn serve_one<S>(stream: Patient<S>, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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

/// Lets so many requests through at once, each for so long; none waits.
pub async fn limit(State(requests): State<Permits>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Ok(_permit) = requests.0.try_acquire() else {
        return refused(&path, Failure::Busy);
    };
    in_time(ANSWER_PATIENCE, &path, next.run(request)).await
}

/// Lets so many requests through at once; the others wait for their turn, each for so long in all.
pub async fn take_turns(State(requests): State<Permits>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let answer = async {
        // Nobody closes them.
        let _permit = requests.0.acquire().await;
        next.run(request).await
    };
    in_time(ANSWER_PATIENCE, &path, answer).await
}

/// Lets all requests through, as many as there are connections, each for so long.
pub async fn wait(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    in_time(ANSWER_PATIENCE, &path, next.run(request)).await
}

/// Lets all requests through, as many as there are connections, each for a moment.
pub async fn hurry(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    in_time(TOKENLESS_PATIENCE, &path, next.run(request)).await
}

/// Reads the rest of a request that is refused, for a moment: a client that sends on while the connection is closed hears of
/// no reason. One that asks whether it may go on sends no more.
pub async fn read_away(request: Request) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = pin!(request.into_body());
    let read = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
            bytes += frame.data_ref().map_or(0, |data| data.len());
            if bytes > MAX_READ_AWAY_BYTES {
                break;
            }
        }
    };
    // One that takes longer is let go.
    let _ = tokio::time::timeout(TOKENLESS_PATIENCE, read).await;
}

async fn in_time(patience: Duration, path: &str, answer: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(patience, answer).await;
    answer.unwrap_or_else(|_| refused(path, Failure::TimedOut))
}

/// For [`limit`] and [`take_turns`].
#[derive(Clone)]
pub struct Permits(Arc<Semaphore>);

impl Permits {
    /// For all requests but pictures, uploads, probes and what needs no token.
    pub fn of_requests() -> Permits {
        Permits(Arc::new(Semaphore::new(MAX_REQUESTS)))
    }

    /// For uploaded pictures.
    pub fn of_uploads() -> Permits {
        Permits(Arc::new(Semaphore::new(MAX_UPLOADS)))
    }
}

/// A connection that fails when the other side takes nothing, or next to nothing, for too long.
struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Running while something waits to be sent.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Taken since the waiting began.
    taken_bytes: usize,
}

impl<S> Patient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
            taken_bytes: 0,
        }
    }

    /// Passes on what became of an attempt to send, or gives up.
    fn judge(&mut self, sent: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = sent {
            self.taken_bytes += bytes;
            if self.taken_bytes >= LEAST_TAKEN_BYTES {
                self.is_content();
            }
        }
        if sent.is_ready() {
            return sent;
        }
        if self.waiting.is_none() {
            self.taken_bytes = 0;
        }
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_content(&mut self) {
        self.waiting = None;
        self.taken_bytes = 0;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(sent, context)
    }

    /// Asked for once all there was has been sent.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.is_content();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use axum::routing::get;
    use tokio::task::{JoinHandle, spawn_blocking};

    use super::*;

    /// More than the system keeps for a client that does not read.
    const ANSWER_BYTES: usize = 4 << 20;
    /// Long enough to take 64 KiB from memory on a busy machine.
    const PATIENCE: Duration = Duration::from_millis(500);

    /// Asks for a large answer; the client's end, and who serves it.
    fn ask(stop: &watch::Sender<bool>) -> (UnixStream, JoinHandle<()>) {
        let router = Router::new().route("/", get(|| async { vec![b'x'; ANSWER_BYTES] }));
        let (mut client, server) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = tokio::net::UnixStream::from_std(server).unwrap();
        let serving = tokio::spawn(serve_one(
            Patient::new(server, PATIENCE),
            router,
            stop.subscribe(),
        ));
        let request = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
        client.write_all(request).unwrap();
        (client, serving)
    }

    async fn take_all(mut client: UnixStream) -> usize {
        let read = spawn_blocking(move || client.read_to_end(&mut Vec::new()).unwrap());
        read.await.unwrap()
    }

    #[tokio::test]
    async fn who_takes_nothing_is_let_go_and_others_are_served_meanwhile() {
        let (stop, _) = watch::channel(false);
        let (mute, mute_serving) = ask(&stop);
        for _ in 0..3 {
            let (quick, quick_serving) = ask(&stop);
            assert!(take_all(quick).await > ANSWER_BYTES);
            quick_serving.await.unwrap();
        }
        mute_serving.await.unwrap();
        assert!(take_all(mute).await < ANSWER_BYTES, "what was under way by then");
    }

    /// A client with room for so many bytes.
    struct Mouth {
        room: usize,
    }

    impl AsyncWrite for Mouth {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            match taken {
                0 => Poll::Pending,
                _ => Poll::Ready(Ok(taken)),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_byte_now_and_then_buys_no_time() {
        let mut patient = Patient::new(Mouth { room: 0 }, Duration::from_secs(3_600));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let bytes = [0; 2 * LEAST_TAKEN_BYTES];
        // Bytes there is room for, and whether its time runs once they are taken.
        for (room, is_waiting) in [
            (0, true),
            (1, true),
            (LEAST_TAKEN_BYTES - 2, true),
            (1, false),
            (0, true),
            (LEAST_TAKEN_BYTES, false),
        ] {
            patient.stream.room = room;
            let sent = Pin::new(&mut patient).poll_write(&mut context, &bytes);
            assert_eq!(sent.is_pending(), room == 0);
            assert_eq!(patient.waiting.is_some(), is_waiting, "after {room} bytes");
        }
        assert!(
            Pin::new(&mut patient)
                .poll_write(&mut context, &bytes)
                .is_pending()
        );
        assert!(Pin::new(&mut patient).poll_flush(&mut context).is_ready());
        assert!(patient.waiting.is_none(), "nothing is left to be sent");
    }
}
