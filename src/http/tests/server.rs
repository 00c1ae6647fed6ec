use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Front, Readiness, front, ids, options};
use crate::{
    http::{BindError, Context, Drained, Server, bind},
    telemetry::Metrics,
};

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Drained>,
}

async fn start(server: Server, router: Router) -> Running {
    let listener = bind("http.listen", "127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let task = tokio::spawn(server.run(listener, router, stop.clone()));
    Running { address, stop, task }
}

impl Running {
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    async fn stop(self) -> Drained {
        self.stop.cancel();
        self.task.await.expect("no panic")
    }
}

async fn all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    // A reset after the answer is as good an end as any.
    let _ = stream.read_to_string(&mut text).await;
    text
}

/// Asks as a real client does.
async fn get(url: String) -> reqwest::Result<reqwest::Response> {
    // Clients want to know the cryptography of a process even where they use none; whoever comes second finds it done.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::get(url).await
}

fn hello() -> Router {
    let tell = |context: Context| async move { format!("hello {}", context.peer().expect("an address")) };
    front(Router::new().route("/hello", routing::get(tell)))
}

#[tokio::test]
async fn a_real_client_is_answered_with_the_address_it_comes_from() {
    let running = start(Server::default(), hello()).await;
    let answer = get(format!("http://{}/hello", running.address)).await.expect("an answer");
    assert!(answer.headers()["x-request-id"].to_str().expect("text").starts_with("req_"));
    assert_eq!(answer.text().await.expect("text"), "hello 127.0.0.1");
    assert_eq!(running.stop().await, Drained { cut: 0 });
}

#[tokio::test]
async fn metrics_and_probes_have_a_listener_of_their_own() {
    let front = Front::new(options(), ids(), Readiness::new(Vec::new()));
    let operations = front.operations(&Metrics::install().expect("a recorder"));
    let running = start(Server::default(), operations).await;
    let url = format!("http://{}", running.address);
    let text = get(format!("{url}/metrics")).await.expect("an answer").text().await.expect("text");
    assert!(text.contains("mintreu_build_info{"), "{text}");
    assert_eq!(get(format!("{url}/readyz?verbose")).await.expect("an answer").status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn the_stop_lets_a_running_request_finish_and_takes_no_other() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, leave) = (entered.clone(), leave.clone());
        move || async move {
            entered.notify_one();
            leave.notified().await;
            "done"
        }
    };
    let running = start(Server::default(), front(Router::new().route("/slow", routing::get(handler)))).await;
    let mut idle = running.send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("a status line");
    let mut asking = running.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    entered.notified().await;
    running.stop.cancel();
    all(&mut idle).await; // ends: a connection that waits for its next request is closed
    let refused = loop {
        // The listener is closed by the server's own task, at its next turn.
        match TcpStream::connect(running.address).await {
            Err(error) => break error,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(!running.task.is_finished(), "it waits for the request");
    leave.notify_one();
    let answer = all(&mut asking).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ndone"), "{answer}");
    assert_eq!(running.task.await.expect("no panic"), Drained { cut: 0 });
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_after_the_grace() {
    let entered = Arc::new(Notify::new());
    let handler = {
        let entered = entered.clone();
        move || async move {
            entered.notify_one();
            std::future::pending::<String>().await
        }
    };
    let server = Server { grace: Duration::from_millis(50), ..Server::default() };
    let running = start(server, front(Router::new().route("/hang", routing::get(handler)))).await;
    let mut asking = running.send("GET /hang HTTP/1.1\r\nhost: x\r\n\r\n").await;
    entered.notified().await;
    assert_eq!(running.stop().await, Drained { cut: 1 });
    assert_eq!(all(&mut asking).await, "");
}

#[tokio::test]
async fn slow_and_silent_clients_are_cut_off() {
    let server = Server { header_timeout: Duration::from_millis(300), ..Server::default() };
    let running = start(server, hello()).await;
    // Nothing; a letter that begins both protocols; half a head; an HTTP/2 preface and then nothing.
    for beginning in ["", "P", "GET /hello HTTP/1.1\r\nhost: x\r\nx-slow: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = running.send(beginning).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await; // returns only because the server closes
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{beginning:?}");
    }
    let mut kept = running.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = all(&mut kept).await; // ends: so does a connection that stays without a further request
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(running.stop().await, Drained { cut: 0 });
}

#[tokio::test]
async fn oversized_and_broken_heads_are_answered_and_the_server_goes_on() {
    let running = start(Server::default(), hello()).await;
    let between = format!("GET /hello HTTP/1.1\r\nhost: x\r\nx-filler: {}\r\n\r\n", "x".repeat(10_000));
    let above = format!("GET /hello HTTP/1.1\r\nhost: x\r\nx-filler: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("GET /hello HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    let crlf = "GET /hello HTTP/1.1\r\nhost: x\r\nx-request-id: a\0b\r\n\r\n".to_owned();
    for (text, status, has_problem) in
        [(between, "431", true), (above, "431", false), (many, "431", false), (crlf, "400", false)]
    {
        let mut stream = TcpStream::connect(running.address).await.expect("a connection");
        let _ = stream.write_all(text.as_bytes()).await; // the server may close before it has read all
        let mut answer = [0; 1_024];
        let length = stream.read(&mut answer).await.unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        assert_eq!(answer.contains("headers-too-large"), has_problem, "{answer}");
    }
    let answer = get(format!("http://{}/hello", running.address)).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_a_place() {
    let running = start(Server { max_connections: 1, ..Server::default() }, hello()).await;
    let mut first = running.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut status = [0; 15];
    first.read_exact(&mut status).await.expect("an answer");
    let mut second = running.send("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut answer = Vec::new();
    let early = tokio::time::timeout(Duration::from_millis(50), second.read_to_end(&mut answer)).await;
    assert!(early.is_err() && answer.is_empty(), "it was answered while the only place was taken");
    drop(first);
    second.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    running.stop().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_told_in_one_line_with_the_mend() {
    let taken = bind("http.listen", "127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let error = bind("http.listen", &address).await.expect_err("taken");
    assert_eq!(
        error.to_string(),
        format!("http.listen: {address} is in use by another program; stop that program or choose another port")
    );
    for address in ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "203.0.113.7:8080", "no-such-host.invalid:80"] {
        let error = bind("metrics.listen", address).await.expect_err("must be refused");
        assert!(matches!(error, BindError::Address { .. }), "{address}: {error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("metrics.listen: `{address}` is no address of this machine (")), "{text}");
        assert!(text.ends_with("write HOST:PORT, such as 127.0.0.1:8080") && text.lines().count() == 1, "{text}");
    }
}
