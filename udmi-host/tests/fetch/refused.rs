//! Servers, redirects and certificates that are refused, and proxies.

use std::net::TcpListener;

use crate::server::{Authority, Server};
use crate::{LIMIT, Staging};
use udmi_host::fetch::{Fetcher, FetcherError, Proxy};
use udmi_proto::{FetchError, Secret};

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
const YEARS: (i32, i32) = (2020, 3000);

#[test]
fn an_answer_that_is_no_success_is_told_as_its_status() {
    let server = Server::start(|head, stream| write!(stream, "HTTP/1.1 {} Bad\r\n\r\n", &head.path[1..]));
    for status in [404, 500, 503, 206, 304, 416, 403] {
        let failed = Staging::new().fetch(&server.url(&format!("/{status}")), LIMIT);
        assert_eq!(failed.content, Err(FetchError::Status(status)));
    }
    assert_eq!(server.requests().len(), 7, "none is tried twice");
}

#[test]
fn a_port_nobody_listens_on_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failed = Staging::new().fetch(&format!("http://user:hunter2@127.0.0.1:{port}/?key=hunter2"), LIMIT);
    assert_eq!(failed.content, Err(FetchError::Unreachable("connection refused".into())));
    let failed = Staging::new().fetch("http://no-such-host.invalid/hunter2", LIMIT);
    assert_eq!(failed.content, Err(FetchError::Unreachable("the host name has no address".into())));
}

#[test]
fn a_url_that_cannot_be_used_is_refused_at_once() {
    for bad in ["", "blob", "ftp://host/x", "gs://bucket/x", "http://", "http://[bad", "http://ho st/"] {
        let failed = Staging::new().fetch(bad, LIMIT);
        assert!(matches!(failed.content, Err(FetchError::Url(_))), "{bad}: {:?}", failed.content);
    }
}

#[test]
fn what_is_no_http_is_given_up() {
    let server = Server::start(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"));
    let failed = Staging::new().fetch(&server.url("/"), LIMIT);
    assert!(matches!(failed.content, Err(FetchError::Unreachable(_))));
    let server = Server::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\n")?;
        loop {
            write!(stream, "X-More: {}\r\n", "x".repeat(1000))?;
        }
    });
    assert!(matches!(Staging::new().fetch(&server.url("/"), LIMIT).content, Err(FetchError::Unreachable(_))));
    let server = Server::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\ngzip")
    });
    assert!(matches!(Staging::new().fetch(&server.url("/"), LIMIT).content, Err(FetchError::Unreachable(_))));
}

#[test]
fn redirects_are_followed_some_times_but_not_for_ever() {
    let server = Server::start(|head, stream| match head.path.as_str() {
        "/loop" => write!(stream, "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"),
        "/0" => stream.write_all(GOOD),
        path => {
            let next = path[1..].parse::<u32>().unwrap() - 1;
            write!(stream, "HTTP/1.1 307 Temporary Redirect\r\nLocation: {next}\r\nContent-Length: 0\r\n\r\n")
        }
    });
    assert_eq!(Staging::new().fetch(&server.url("/5"), LIMIT).content, Ok(b"good".to_vec()));
    for path in ["/6", "/loop"] {
        let asked = server.requests().len();
        let failed = Staging::new().fetch(&server.url(path), LIMIT);
        assert_eq!(failed.content, Err(FetchError::Unreachable("redirected too often".into())));
        assert_eq!(server.requests().len() - asked, 6);
    }
}

#[test]
fn redirects_lead_to_allowed_schemes_only() {
    let to = |target: &'static str| {
        Server::start(move |_, stream| write!(stream, "HTTP/1.1 301 Moved\r\nLocation: {target}\r\n\r\n"))
    };
    for target in ["file:///etc/hostname", "data:,x", "ftp://host/x", "gs://bucket/x", "http://[bad"] {
        let mut staging = Staging::new();
        staging.policy.schemes.file = true; // for the cloud, not for a server
        let failed = staging.fetch(&to(target).url("/"), LIMIT);
        assert!(matches!(failed.content, Err(FetchError::Url(_))), "{target}: {:?}", failed.content);
    }
    let mut staging = Staging::new();
    staging.policy.schemes.https = false;
    let failed = staging.fetch(&to("https://localhost/").url("/"), LIMIT);
    let why = "redirected, but the target's scheme is not allowed";
    assert_eq!(failed.content, Err(FetchError::Url(why.into())));
}

#[test]
fn a_redirect_leads_from_http_to_https_but_never_back() {
    let authority = Authority::new();
    let mut staging = Staging::new();
    staging.policy.tls = authority.trusted();
    let plain = Server::start(|_, stream| stream.write_all(GOOD));
    let secure = Server::start_with(Some(authority.server("localhost", YEARS)), {
        let plain = plain.url("/");
        move |head, stream| match head.path.as_str() {
            "/" => stream.write_all(GOOD),
            _ => write!(stream, "HTTP/1.1 302 Found\r\nLocation: {plain}\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    let target = secure.url("/");
    let first =
        Server::start(move |_, stream| write!(stream, "HTTP/1.1 302 Found\r\nLocation: {target}\r\n\r\n"));
    assert_eq!(staging.fetch(&first.url("/"), LIMIT).content, Ok(b"good".to_vec()));
    let failed = staging.fetch(&secure.url("/back"), LIMIT);
    assert_eq!(failed.content, Err(FetchError::Url("redirected, but from https to http".into())));
    assert!(plain.requests().is_empty());
}

#[test]
fn a_server_certificate_that_is_not_trusted_is_refused_with_its_fault() {
    let authority = Authority::new();
    let mut staging = Staging::new();
    let faults = [
        (Authority::new().trusted(), "localhost", YEARS, "issuer"),
        (authority.trusted(), "localhost", (2001, 2002), "expired"),
        (authority.trusted(), "localhost", (2999, 3000), "not valid yet"),
        (authority.trusted(), "elsewhere", YEARS, "elsewhere"),
    ];
    for (trusted, name, years, fault) in faults {
        staging.policy.tls = trusted;
        let server =
            Server::start_with(Some(authority.server(name, years)), |_, stream| stream.write_all(GOOD));
        match staging.fetch(&server.url("/"), LIMIT).content {
            Err(FetchError::Unreachable(why)) => assert!(why.contains(fault), "{why}"),
            other => panic!("{other:?}"),
        }
        assert!(server.requests().is_empty());
    }
    staging.policy.tls = authority.trusted();
    let config = authority.server("localhost", YEARS);
    let server = Server::start_with(Some(config), |_, stream| stream.write_all(GOOD));
    assert_eq!(staging.fetch(&server.url("/"), LIMIT).content, Ok(b"good".to_vec()));
}

#[test]
fn content_cut_within_tls_is_taken_up_there() {
    let authority = Authority::new();
    let mut staging = Staging::new();
    staging.policy.tls = authority.trusted();
    let config = authority.server("localhost", YEARS);
    let server = Server::start_with(Some(config), |head, stream| match head.range() {
        None => write!(stream, "HTTP/1.1 200 OK\r\nLast-Modified: now\r\nContent-Length: 6\r\n\r\nabc"),
        Some(_) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3\r\n\r\ndef"
        ),
    });
    assert_eq!(staging.fetch(&server.url("/"), LIMIT).content, Ok(b"abcdef".to_vec()));
    assert_eq!(server.requests()[1].headers["if-range"], "now");
}

#[test]
fn a_proxy_is_asked_for_a_tunnel() {
    // It answers itself in place of the host it was asked for.
    let proxy = Server::start(|head, stream| {
        assert_eq!(head.method, "CONNECT");
        write!(stream, "HTTP/1.1 200 Connected\r\n\r\n")?;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        stream.write_all(GOOD)
    });
    let mut staging = Staging::new();
    staging.policy.proxy = Proxy::Url(Secret::new(proxy.url("").replace("://", "://user:hunter2@")));
    assert_eq!(staging.fetch("http://far.invalid:81/blob", LIMIT).content, Ok(b"good".to_vec()));
    let request = &proxy.requests()[0];
    assert_eq!(request.path, "far.invalid:81");
    assert!(request.headers.contains_key("proxy-authorization"));

    let refusing = Server::start(|_, stream| write!(stream, "HTTP/1.1 403 Forbidden\r\n\r\n"));
    staging.policy.proxy = Proxy::Url(Secret::new(refusing.url("")));
    let failed = staging.fetch("http://far.invalid:81/blob", LIMIT);
    assert_eq!(failed.content, Err(FetchError::Unreachable("the proxy refuses".into())));
    staging.policy.proxy = Proxy::Url(Secret::new("hunter2://".into()));
    let error = Fetcher::open(staging.policy.clone()).unwrap_err();
    assert!(matches!(error, FetcherError::Proxy) && !error.to_string().contains("hunter2"));
    assert!(!format!("{:?}", staging.policy).contains("hunter2"));
}
