//! A proxy that delays and damages what passes between two nodes.

use rand::Rng;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Pieces that are on their way at a time, in each direction of each connection.
const PIECES_MAX: usize = 256;
const PIECE_BYTES: usize = 16 * 1024;

/// What a proxy does with the connections through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    None,
    /// Nothing passes, nothing is closed.
    Stall,
    /// Connections are closed, also new ones.
    Cut,
    /// What goes to the server is ended; the other direction stays open and silent.
    HalfClose,
}

/// Forwards connections to a port, until it is dropped.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

/// A piece of a stream, and when it arrives.
type Piece = (Instant, Vec<u8>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// How long a piece takes on average.
    delay: Duration,
}

struct State {
    damage: Damage,
    ended: bool,
    /// Client and server of each connection that is open.
    open: Vec<(TcpStream, TcpStream)>,
}

impl Proxy {
    pub fn to(target: u16) -> io::Result<Proxy> {
        Proxy::slow(target, Duration::ZERO)
    }

    /// What passes takes half to one and a half times `delay`, and stays in order.
    pub fn slow(target: u16, delay: Duration) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Mutex::new(State { damage: Damage::None, ended: false, open: Vec::new() });
        let shared = Arc::new(Shared { state, changed: Condvar::new(), delay });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.lock().ended {
                    return;
                }
                // Without a server the client is closed, as it would be there.
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    let _ = accepting.forward_both(client, server);
                }
            }
        });
        Ok(Proxy { port, shared })
    }

    pub fn set(&self, damage: Damage) {
        let mut state = self.shared.lock();
        state.damage = damage;
        state.open.iter().for_each(|pair| harm(damage, pair));
        if damage == Damage::Cut {
            state.open.clear();
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.set(Damage::Cut);
        // So that the thread that accepts looks at it.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// What damage does to a connection at once.
fn harm(damage: Damage, (client, server): &(TcpStream, TcpStream)) {
    let _ = match damage {
        Damage::None | Damage::Stall => Ok(()),
        Damage::Cut => client.shutdown(Shutdown::Both).and(server.shutdown(Shutdown::Both)),
        Damage::HalfClose => server.shutdown(Shutdown::Write),
    };
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forward_both(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let pair = (client.try_clone()?, server.try_clone()?);
        {
            let mut state = self.lock();
            harm(state.damage, &pair);
            // Those that have ended by themselves are let go of.
            state.open.retain(|(client, _)| client.peer_addr().is_ok());
            state.open.push(pair);
        }
        self.forward(client.try_clone()?, server.try_clone()?);
        self.forward(server, client);
        Ok(())
    }

    /// One direction: a thread reads, another one writes what has arrived.
    fn forward(self: &Arc<Self>, from: TcpStream, to: TcpStream) {
        let (sender, receiver) = sync_channel(PIECES_MAX);
        let (reading, writing) = (self.clone(), self.clone());
        thread::spawn(move || reading.read(from, &sender));
        thread::spawn(move || writing.write(to, &receiver));
    }

    fn read(&self, mut from: TcpStream, pieces: &SyncSender<Piece>) {
        let mut last = Instant::now();
        let mut buffer = [0; PIECE_BYTES];
        while let Ok(count) = from.read(&mut buffer)
            && count > 0
        {
            last = last.max(Instant::now() + self.delay.mul_f64(rand::rng().random_range(0.5..1.5)));
            if pieces.send((last, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    }

    fn write(&self, mut to: TcpStream, pieces: &Receiver<Piece>) {
        for (arrives, piece) in pieces {
            thread::sleep(arrives.saturating_duration_since(Instant::now()));
            self.wait_while_stalled();
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        self.wait_while_stalled();
        let _ = to.shutdown(Shutdown::Write);
    }

    fn wait_while_stalled(&self) {
        let stalled = |state: &mut State| matches!(state.damage, Damage::Stall | Damage::HalfClose);
        drop(self.changed.wait_while(self.lock(), stalled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port where everything comes back.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).unwrap()
    }

    #[test]
    fn what_passes_is_late_and_in_order() {
        let delay = Duration::from_millis(40);
        let proxy = Proxy::slow(echo(), delay).unwrap();
        let mut stream = connect(&proxy);
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let mut received = vec![0; sent.len()];
        let started = Instant::now();
        stream.write_all(&sent).unwrap();
        stream.read_exact(&mut received).unwrap();
        assert!(received == sent);
        assert!(started.elapsed() >= delay, "half of it at least, both ways");
    }

    #[test]
    fn a_stall_holds_up_and_a_cut_closes() {
        let proxy = Proxy::to(echo()).unwrap();
        let mut stream = connect(&proxy);
        proxy.set(Damage::Stall);
        stream.write_all(b"a").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(stream.read(&mut [0]).is_err());
        stream.set_read_timeout(None).unwrap();
        proxy.set(Damage::None);
        assert_eq!(stream.read(&mut [0]).unwrap(), 1);
        proxy.set(Damage::Cut);
        let is_closed = |stream: &mut TcpStream| matches!(stream.read(&mut [0]), Ok(0) | Err(_));
        assert!(is_closed(&mut stream) && is_closed(&mut connect(&proxy)));
        proxy.set(Damage::None);
        let mut stream = connect(&proxy);
        stream.write_all(b"b").unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 1);
    }
}
