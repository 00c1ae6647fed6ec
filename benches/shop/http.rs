//! A client as lean as can be, so that the machine's time is the server's: one connection, requests one after the other.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How much of a large answer is read at a time.
const LARGE: usize = 256 << 10;

/// A connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server takes connections");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: Vec::with_capacity(16 << 10) }
    }

    /// Sends a POST of JSON with these further header lines, each ended by CRLF.
    pub(crate) async fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(&request).await
    }

    /// Sends a whole request and waits for its answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Answer {
        let (status, start, length) = self.head(request).await;
        while self.buffer.len() < start + length {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
            assert!(read > 0, "the server hung up");
        }
        Answer { status, body: self.buffer[start..start + length].to_vec() }
    }

    /// Sends a whole request and throws its answer away as it comes; its status and length.
    pub(crate) async fn drain(&mut self, request: &[u8]) -> (u16, usize) {
        let (status, start, length) = self.head(request).await;
        let mut left = length - (self.buffer.len() - start);
        self.buffer.clear();
        self.buffer.reserve(LARGE);
        while left > 0 {
            self.buffer.clear();
            let read = (&mut self.stream).take(left as u64).read_buf(&mut self.buffer).await.expect("an answer");
            assert!(read > 0, "the server hung up");
            left -= read;
        }
        (status, length)
    }

    /// Sends a request; its answer's status, where its body starts in the buffer, and how long that is.
    async fn head(&mut self, request: &[u8]) -> (u16, usize, usize) {
        self.stream.write_all(request).await.expect("it is sent");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
            assert!(read > 0, "the server hung up");
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.buffer[..end]).expect("a head");
            let status = head[9..12].parse().expect("a status");
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().expect("a length"));
            return (status, end + 4, length);
        }
    }
}

/// `GET path`, to be sent again and again.
pub(crate) fn get(path: &str) -> Vec<u8> {
    get_with(path, "")
}

/// The same with these further header lines, each ended by CRLF.
pub(crate) fn get_with(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{headers}\r\n").into_bytes()
}
