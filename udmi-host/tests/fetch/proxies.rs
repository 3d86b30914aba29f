//! Ways to a server: by proxies of each kind, and with a certificate of the client's own.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::server::{Authority, Server};
use crate::{LIMIT, Staging};
use udmi_host::fetch::Proxy;
use udmi_proto::{FetchError, Secret};

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
const YEARS: (i32, i32) = (2020, 3000);

#[test]
fn a_socks_proxy_leads_to_plain_and_to_secure_servers() {
    let authority = Authority::new();
    let plain = Server::start(|_, stream| stream.write_all(GOOD));
    let config = authority.server("localhost", YEARS);
    let secure = Server::start_with(Some(config), |_, stream| stream.write_all(GOOD));
    let proxy = Tunnel::start(socks);
    let mut staging = Staging::new();
    staging.policy.tls = authority.trusted();
    for (scheme, host) in [("socks5h", "localhost"), ("socks5", "127.0.0.1")] {
        let url = format!("{scheme}://user:hunter%40@{}", proxy.address);
        staging.policy.proxy = Proxy::Url(Secret::new(url));
        for server in [&plain, &secure] {
            assert_eq!(staging.fetch(&server.url("/"), LIMIT).content, Ok(b"good".to_vec()), "{scheme}");
            let way = format!("user:hunter@ {host}:{}", server.address.port());
            assert_eq!(proxy.asked(), [way], "the name is looked up by the proxy only where it is to be");
        }
    }
}

#[test]
fn a_tunnel_leads_to_a_secure_server() {
    let authority = Authority::new();
    let config = authority.server("localhost", YEARS);
    let server = Server::start_with(Some(config), |_, stream| stream.write_all(GOOD));
    let proxy = Tunnel::start(connect);
    let mut staging = Staging::new();
    staging.policy.tls = authority.trusted();
    staging.policy.proxy = Proxy::Url(Secret::new(format!("http://{}", proxy.address)));
    assert_eq!(staging.fetch(&server.url("/"), LIMIT).content, Ok(b"good".to_vec()));
    assert_eq!(proxy.asked(), [format!("localhost:{}", server.address.port())]);
}

#[test]
fn a_socks_proxy_that_refuses_shows_no_password() {
    let proxy = Tunnel::start(|stream| {
        stream.read_exact(&mut [0; 3])?;
        stream.write_all(&[5, 0xff])?; // no way to prove oneself suits it
        Err(io::ErrorKind::ConnectionRefused.into())
    });
    let mut staging = Staging::new();
    staging.policy.proxy = Proxy::Url(Secret::new(format!("socks5h://user:hunter2@{}", proxy.address)));
    match staging.fetch("http://far.invalid/blob", LIMIT).content {
        Err(FetchError::Unreachable(why)) => assert!(!why.contains("hunter2"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_wants_a_client_certificate_gets_that_of_the_policy() {
    let authority = Authority::new();
    let server =
        Server::start_with(Some(authority.demanding_server("localhost")), |_, stream| stream.write_all(GOOD));
    let mut staging = Staging::new();
    staging.policy.tls = authority.trusted();
    let refused = staging.fetch(&server.url("/"), LIMIT);
    assert!(matches!(refused.content, Err(FetchError::Unreachable(_))), "{:?}", refused.content);
    staging.policy.tls.identity = Some(Authority::new().client("AHU-1"));
    let refused = staging.fetch(&server.url("/"), LIMIT);
    assert!(matches!(refused.content, Err(FetchError::Unreachable(_))), "{:?}", refused.content);
    assert!(server.requests().is_empty());
    staging.policy.tls.identity = Some(authority.client("AHU-1"));
    assert_eq!(staging.fetch(&server.url("/"), LIMIT).content, Ok(b"good".to_vec()));
}

/// A proxy that leads where it is asked to, on this machine.
struct Tunnel {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// `accept` hears where to, as the client says it, and has the way opened.
    fn start(accept: impl Fn(&mut TcpStream) -> io::Result<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        thread::spawn(move || {
            while let Ok((mut near, _)) = listener.accept() {
                let Ok(way) = accept(&mut near) else { continue };
                let port: u16 = way.rsplit(':').next().unwrap().parse().unwrap();
                heard.lock().unwrap().push(way);
                let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (back, forth) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || relay(forth, back));
                thread::spawn(move || relay(near, far));
            }
        });
        Self { address, asked }
    }

    /// What it was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to); // either side may go away
    let _ = to.shutdown(Shutdown::Write);
}

/// RFC 9110, section 9.3.6.
fn connect(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(stream)?);
    }
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let head = String::from_utf8(head).unwrap();
    Ok(head.split(' ').nth(1).unwrap().to_owned())
}

/// RFC 1928, with a user name and a password by RFC 1929.
fn socks(stream: &mut TcpStream) -> io::Result<String> {
    const PASSWORD: u8 = 2;
    assert_eq!(byte(stream)?, 5);
    assert!(counted(stream)?.contains(&PASSWORD));
    stream.write_all(&[5, PASSWORD])?;
    assert_eq!(byte(stream)?, 1);
    let (user, password) = (text(counted(stream)?), text(counted(stream)?));
    stream.write_all(&[1, 0])?;
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    assert_eq!(request[..3], [5, 1, 0]);
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            stream.read_exact(&mut address)?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => text(counted(stream)?),
        other => panic!("address of kind {other}"),
    };
    let port = u16::from_be_bytes([byte(stream)?, byte(stream)?]);
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(format!("{user}:{password} {host}:{port}"))
}

fn byte(stream: &mut TcpStream) -> io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// A byte that says how many follow, and those.
fn counted(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; byte(stream)?.into()];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
