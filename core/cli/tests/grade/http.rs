//! A few lines of HTTP: what the tests' own servers and clients need.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Lines and body of a message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) first: String,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// The n-th word of the first line.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.first.split(' ').nth(index).unwrap()
    }
}

pub(crate) fn read(stream: &mut impl Read) -> Option<Message> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let count = stream.read(&mut part).ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..count]);
    };
    let mut body = bytes.split_off(end + 4);
    let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let first = String::from_utf8_lossy(lines.next()?).into_owned();
    let headers = lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        (line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec())
    });
    let mut message = Message { first, headers: headers.collect(), body: Vec::new() };
    let length = message.value("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
    let missing = length.saturating_sub(body.len());
    stream.take(missing as u64).read_to_end(&mut body).ok()?;
    message.body = body;
    Some(message)
}

/// What a request is answered with: status, headers and body.
pub(crate) type Reply = (u16, Vec<(String, String)>, Vec<u8>);

/// Serves until the tests end; https when there is a configuration for it.
pub(crate) fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    answer: impl Fn(&Message) -> Reply + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let (answer, tls) = (Arc::clone(&answer), tls.clone());
            thread::spawn(move || match tls {
                None => exchange(&mut socket, &*answer),
                Some(tls) => {
                    let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), socket);
                    exchange(&mut stream, &*answer);
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            });
        }
    });
}

fn exchange(stream: &mut (impl Read + Write), answer: &dyn Fn(&Message) -> Reply) {
    let Some(message) = read(stream) else { return };
    let (status, headers, body) = answer(&message);
    let mut text = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// Sends one request to a URL on this machine.
pub(crate) fn send(url: &str, method: &str, headers: &[(String, String)]) -> Message {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    // Whatever its name is.
    let port = authority.split_once(':').unwrap().1;
    ask(&format!("127.0.0.1:{port}"), authority, &format!("{method} /{path}"), headers)
}

/// Sends one request to an address, whatever host it is for.
pub(crate) fn ask(address: &str, host: &str, what: &str, headers: &[(String, String)]) -> Message {
    let mut text = format!("{what} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    read(&mut stream).unwrap()
}
