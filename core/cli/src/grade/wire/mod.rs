//! HTTP/1.1 on plain sockets: requests that are wrong on purpose, and a server that hears every byte.

mod client;
mod server;
mod timed;

pub(crate) use client::{Answer, Roots, Site};
pub(crate) use server::{Heard, Reply, bind, listen};

use std::io::Read;

/// The longest head of a message that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// The longest body that is read.
const MAX_BODY: usize = 1024 * 1024;
/// The most header lines.
const MAX_LINES: usize = 128;

/// Reads until the head of a message is whole, whose first bytes have come already; what follows it is the beginning of the body.
fn read_head(stream: &mut dyn Read, mut bytes: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut part = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Ok((bytes, body));
        }
        if bytes.len() > MAX_HEAD {
            return Err(format!("the head has more than {MAX_HEAD} bytes"));
        }
        let count = stream.read(&mut part).map_err(|error| error.to_string())?;
        if count == 0 {
            return Err("the connection ended before the head did".to_owned());
        }
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
    }
}
