//! A network that misbehaves on demand: a TCP proxy between the engine and one server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use url::Url;

/// How connections are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both sides get a reset, as from a firewall that lost its table.
    Reset,
    /// Both sides get an end of file, as from a server that closes in good order.
    Close,
}

/// What the network does now. Set by the test, read by every connection before it reads and before it writes.
#[derive(Clone, Copy, Debug)]
struct Weather {
    /// Time that each byte takes through the proxy, each way.
    delay: Duration,
    /// Nothing is read and nothing is written; connections stay open.
    stalled: bool,
    /// New connections are refused.
    refusing: bool,
    /// Counts the cuts: a connection ends when it is not the number that it began with.
    cuts: u64,
    /// How the last cut was made.
    cut: Cut,
}

/// A proxy on a loopback port. Dropping it closes its connections.
pub struct Proxy {
    url: Url,
    weather: watch::Sender<Weather>,
    /// Whether the port is open, as confirmed by the task that listens.
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of the server of this URL; all is well at first.
    pub async fn in_front_of(url: &str) -> Self {
        let mut url = Url::parse(url).expect("the server's URL must be well-formed");
        let host = url.host_str().expect("the server's URL must name a host");
        let upstream = format!("{host}:{}", url.port().expect("the server's URL must name a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there must be a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        url.set_ip_host(address.ip()).expect("the URL takes a host");
        url.set_port(Some(address.port())).expect("the URL takes a port");
        let fair = Weather { delay: Duration::ZERO, stalled: false, refusing: false, cuts: 0, cut: Cut::Close };
        let (weather, observed) = watch::channel(fair);
        let (confirm, listening) = watch::channel(true);
        let task = tokio::spawn(async move {
            if let Err(error) = listen(listener, address, upstream, observed, confirm).await {
                eprintln!("the proxy on {address} ended: {error}");
            }
        });
        Self { url, weather, listening, task }
    }

    /// The server's URL, by way of this proxy.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// From now on each byte takes this long, each way.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Connections stay open and carry nothing.
    pub fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalled = true);
    }

    /// Ends the connections that there are.
    pub fn cut(&self, cut: Cut) {
        self.weather.send_modify(|weather| {
            weather.cuts += 1;
            weather.cut = cut;
        });
    }

    /// Closes the port, and returns when it is closed; connections that there are go on.
    pub async fn refuse(&self) {
        self.weather.send_modify(|weather| weather.refusing = true);
        self.confirmed(false).await;
    }

    /// All is well again: no delay, what was stalled arrives, and connections are taken.
    pub async fn recover(&self) {
        self.weather.send_modify(|weather| {
            weather.delay = Duration::ZERO;
            weather.stalled = false;
            weather.refusing = false;
        });
        self.confirmed(true).await;
    }

    async fn confirmed(&self, listening: bool) {
        let mut receiver = self.listening.clone();
        receiver.wait_for(|now| *now == listening).await.expect("the proxy must be running");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The task owns the connections' tasks, so they end with it.
        self.task.abort();
    }
}

/// Takes connections while the weather allows it.
async fn listen(
    mut listener: TcpListener,
    address: SocketAddr,
    upstream: String,
    mut weather: watch::Receiver<Weather>,
    confirm: watch::Sender<bool>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let for_connections = weather.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted?;
                connections.spawn(connection(client, upstream.clone(), for_connections.clone()));
            }
            refusing = async { weather.wait_for(|weather| weather.refusing).await.is_ok() } => {
                if !refusing {
                    return Ok(());
                }
                // Only a closed port refuses; an open one would queue.
                drop(listener);
                confirm.send_replace(false);
                if weather.wait_for(|weather| !weather.refusing).await.is_err() {
                    return Ok(());
                }
                listener = TcpListener::bind(address).await?;
                confirm.send_replace(true);
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until either side ends it, or a cut does.
async fn connection(mut client: TcpStream, upstream: String, mut weather: watch::Receiver<Weather>) {
    let cuts = weather.borrow().cuts;
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        // The client sees its connection closed, as it would through a tunnel to a dead server.
        return;
    };
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let (out, back) = (weather.clone(), weather.clone());
        tokio::select! {
            // An error on either side ends both, like an end of both.
            _ = async { tokio::try_join!(carry(from_client, to_server, out), carry(from_server, to_client, back)) } => Cut::Close,
            cut = weather.wait_for(|weather| weather.cuts != cuts) => cut.map_or(Cut::Close, |weather| weather.cut),
        }
    };
    if cut == Cut::Reset {
        for side in [&client, &server] {
            if let Err(error) = side.set_zero_linger() {
                eprintln!("the proxy could not arrange a reset: {error}");
            }
        }
    }
}

/// Carries bytes one way. Bytes under way wait in a short queue, so that a delay is a delay and not a limit of throughput.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let (queue, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let mut before_reading = weather.clone();
    let mut before_writing = weather;
    let read = async move {
        loop {
            let delay = flowing(&mut before_reading).await?;
            let mut bytes = vec![0; 16 * 1024];
            let count = from.read(&mut bytes).await?;
            bytes.truncate(count);
            if count == 0 || queue.send((Instant::now() + delay, bytes)).await.is_err() {
                return Ok::<(), io::Error>(());
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            flowing(&mut before_writing).await?;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}

/// Waits while the network is stalled, then tells the delay.
async fn flowing(weather: &mut watch::Receiver<Weather>) -> io::Result<Duration> {
    let weather = weather.wait_for(|weather| !weather.stalled).await;
    weather.map(|weather| weather.delay).map_err(|_| io::ErrorKind::BrokenPipe.into())
}

#[cfg(test)]
mod tests {
    use super::super::{Cut, Proxy};
    use std::io;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{Instant, timeout};
    use url::Url;

    /// A server that sends back what it gets, and a proxy in front of it.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tcp://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = client.split();
                    // The cut tests end this copy with an error on purpose.
                    drop(tokio::io::copy(&mut from, &mut to).await);
                });
            }
        });
        Proxy::in_front_of(&url).await
    }

    async fn connect(proxy: &Proxy) -> io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", Url::parse(proxy.url()).unwrap().port().unwrap())).await
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        let mut answer = [0; 4];
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await.map(|_| answer)
    }

    #[tokio::test]
    async fn carries_bytes_and_the_end_of_a_side() {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await.unwrap();
        assert_eq!(&ask(&mut stream).await.unwrap(), b"ping");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn delays_each_way() {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await.unwrap();
        proxy.delay(Duration::from_millis(40));
        let start = Instant::now();
        ask(&mut stream).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(80));
    }

    #[tokio::test]
    async fn a_stall_holds_bytes_and_recovery_delivers_them() {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await.unwrap();
        ask(&mut stream).await.unwrap();
        proxy.stall();
        stream.write_all(b"late").await.unwrap();
        let mut answer = [0; 4];
        assert!(timeout(Duration::from_millis(100), stream.read_exact(&mut answer)).await.is_err());
        proxy.recover().await;
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"late");
    }

    #[tokio::test]
    async fn cuts_end_connections_as_told_and_spare_later_ones() {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await.unwrap();
        ask(&mut stream).await.unwrap();
        proxy.cut(Cut::Reset);
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let mut stream = connect(&proxy).await.unwrap();
        ask(&mut stream).await.unwrap();
        proxy.cut(Cut::Close);
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 0);
        ask(&mut connect(&proxy).await.unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn refuses_new_connections_and_keeps_old_ones() {
        let proxy = echo().await;
        let mut old = connect(&proxy).await.unwrap();
        ask(&mut old).await.unwrap();
        proxy.refuse().await;
        assert_eq!(connect(&proxy).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        ask(&mut old).await.unwrap();
        proxy.recover().await;
        ask(&mut connect(&proxy).await.unwrap()).await.unwrap();
        assert!(proxy.url().starts_with("tcp://127.0.0.1:"), "{}", proxy.url());
    }
}
