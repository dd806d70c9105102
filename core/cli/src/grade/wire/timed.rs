//! A connection with one deadline over all of it.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A socket that gives up at its end, however slowly bytes come before it: a timeout of each read alone would be begun anew by each byte.
pub(super) struct Timed {
    socket: TcpStream,
    begin: Instant,
    patience: Duration,
}

impl Timed {
    /// Patience counts from `begin`, so that it covers what came before the connection, too.
    pub(super) const fn new(socket: TcpStream, begin: Instant, patience: Duration) -> Self {
        Self { socket, begin, patience }
    }

    fn late(&self) -> Error {
        Error::new(ErrorKind::TimedOut, format!("it was not whole after {} ms", self.patience.as_millis()))
    }

    fn left(&self) -> Result<Duration> {
        let left = self.patience.saturating_sub(self.begin.elapsed());
        if left.is_zero() { Err(self.late()) } else { Ok(left) }
    }

    /// What a socket says when its timeout has passed differs between systems.
    fn told(&self, result: Result<usize>) -> Result<usize> {
        result.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.late(),
            _ => error,
        })
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        let result = self.socket.read(buffer);
        self.told(result)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        let result = self.socket.write(buffer);
        self.told(result)
    }

    fn flush(&mut self) -> Result<()> {
        self.socket.flush()
    }
}
