//! As much of HTTP/1.1 as the samples need: one request a connection.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Head and answer may be this long.
const LONGEST: u64 = 16 << 10;

/// Reads a request's first line and its headers: `GET /health`.
pub(super) fn request(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream.take(LONGEST));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    let mut words = first.split_ascii_whitespace();
    Ok(format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default()))
}

/// Answers, in one piece: a client may leave once it has read the first line.
pub(super) fn answer(mut stream: &TcpStream, status: u16, body: &str) -> io::Result<()> {
    let reason = if status < 400 { "OK" } else { "Unavailable" };
    let length = body.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}\n"
    );
    stream.write_all(answer.as_bytes())
}

/// Asks another service; gives the status.
pub(super) fn get(address: &str, path: &str, timeout: Duration) -> io::Result<u16> {
    send(address, &format!("GET {path}"), timeout)
}

/// Sends `METHOD /path`; gives the status.
pub(crate) fn send(address: &str, request: &str, timeout: Duration) -> io::Result<u16> {
    let mut stream = connect(address, timeout)?;
    write!(stream, "{request} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
    let status = line.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

/// A connection that waits for nothing longer than this.
pub(super) fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let address = address.to_socket_addrs()?.next().ok_or_else(|| io::Error::other(format!("no address {address}")))?;
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}
