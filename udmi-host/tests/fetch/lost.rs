//! Connections that are lost, and sources that change meanwhile.

use std::time::Duration;

use crate::server::{Head, Server, Stream};
use crate::{LIMIT, Staging, bytes};
use udmi_proto::{FetchError, FetchEvent};

/// Answers with the wanted part of `body`, of which `sent` bytes get through.
fn part(head: &Head, stream: &mut dyn Stream, body: &[u8], tag: &str, sent: usize) -> std::io::Result<()> {
    let matches = head.headers.get("if-range").is_none_or(|wanted| wanted == tag);
    let from = head.range().filter(|_| matches).unwrap_or(0);
    let rest = &body[from..];
    if head.range().is_some() && matches {
        let (last, size) = (body.len() - 1, body.len());
        write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{size}\r\n")?;
    } else {
        write!(stream, "HTTP/1.1 200 OK\r\n")?;
    }
    write!(stream, "ETag: {tag}\r\nContent-Length: {}\r\n\r\n", rest.len())?;
    stream.write_all(&rest[..sent.min(rest.len())])
}

#[test]
fn content_cut_at_any_byte_is_taken_up_there() {
    let body = bytes(64);
    let served = body.clone();
    let server = Server::start(move |head, stream| {
        let cut = head.path[1..].parse().unwrap();
        let sent = if head.range().is_some() { usize::MAX } else { cut };
        // The first answer to a path is cut; one without a range again only if nothing had come.
        let sent = if head.range().is_none() && cut == 0 && head.number > 0 { usize::MAX } else { sent };
        part(head, stream, &served, "\"one\"", sent)
    });
    for cut in 0..=body.len() {
        let asked = server.requests().len();
        let fetched = Staging::new().fetch(&server.url(&format!("/{cut}")), LIMIT);
        assert_eq!(fetched.content.as_ref(), Ok(&body), "cut at {cut}");
        assert!(!fetched.events.contains(&FetchEvent::Restarted));
        let again = &server.requests()[asked + 1..];
        assert_eq!(again.len(), usize::from(cut < body.len()), "cut at {cut}");
        if cut > 0 && cut < body.len() {
            assert_eq!(again[0].headers["range"], format!("bytes={cut}-"));
            assert_eq!(again[0].headers["if-range"], "\"one\"");
        }
    }
}

#[test]
fn a_connection_that_brings_a_byte_counts_as_progress() {
    let body = bytes(20);
    let served = body.clone();
    let server = Server::start(move |head, stream| part(head, stream, &served, "\"one\"", 1));
    assert_eq!(Staging::new().fetch(&server.url("/"), LIMIT).content, Ok(body));
    assert_eq!(server.requests().len(), 20);
}

#[test]
fn chunked_content_that_is_cut_is_taken_up_too() {
    let server = Server::start(|head, stream| {
        let head_line = if head.range().is_some() {
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-5/*"
        } else {
            "HTTP/1.1 200 OK\r\nETag: \"one\""
        };
        write!(stream, "{head_line}\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        stream.write_all(if head.range().is_some() { b"3\r\ndef\r\n0\r\n\r\n" } else { b"3\r\nabc\r\n4\r\n" })
    });
    assert_eq!(Staging::new().fetch(&server.url("/"), LIMIT).content, Ok(b"abcdef".to_vec()));
}

#[test]
fn a_changed_source_begins_anew() {
    let server = Server::start(|head, stream| match head.number {
        0 => part(head, stream, b"old content", "\"old\"", 4),
        _ => part(head, stream, b"new", "\"new\"", usize::MAX),
    });
    let fetched = Staging::new().fetch(&server.url("/"), LIMIT);
    assert_eq!(fetched.content, Ok(b"new".to_vec()));
    let expected = [
        FetchEvent::Size(11),
        FetchEvent::Chunk(b"old ".as_slice().into()),
        FetchEvent::Restarted,
        FetchEvent::Size(3),
        FetchEvent::Chunk(b"new".as_slice().into()),
    ];
    assert_eq!(fetched.events, expected);
}

#[test]
fn a_part_that_does_not_go_with_what_there_is_begins_anew() {
    for wrong in [
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-10/11\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-11/12\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-10/11\r\nETag: \"other\"\r\n",
        "HTTP/1.1 206 Partial Content\r\n",
        "HTTP/1.1 416 Range Not Satisfiable\r\n",
    ] {
        let server = Server::start(move |head, stream| match head.number {
            0 => part(head, stream, b"old content", "\"old\"", 4),
            1 => write!(stream, "{wrong}Content-Length: 7\r\n\r\ncontent"),
            _ => part(head, stream, b"new", "\"new\"", usize::MAX),
        });
        let fetched = Staging::new().fetch(&server.url("/"), LIMIT);
        assert_eq!(fetched.content, Ok(b"new".to_vec()), "{wrong}");
        assert!(fetched.events.contains(&FetchEvent::Restarted));
    }
}

#[test]
fn without_a_strong_tag_or_a_date_nothing_is_glued_together() {
    let server = Server::start(|head, stream| match head.number {
        0 => part(head, stream, b"old content", "W/\"weak\"", 4),
        _ => part(head, stream, b"new content", "W/\"weak\"", usize::MAX),
    });
    assert_eq!(Staging::new().fetch(&server.url("/"), LIMIT).content, Ok(b"new content".to_vec()));
    assert!(server.requests().iter().all(|head| head.range().is_none()));
}

#[test]
fn a_source_that_never_brings_all_it_promises_is_given_up() {
    let server = Server::start(|head, stream| {
        let from = head.range().unwrap_or(0);
        if from == 3 {
            write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-9/10\r\n\r\n")
        } else {
            write!(stream, "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 10\r\n\r\nabc")
        }
    });
    let failed = Staging::new().fetch(&server.url("/"), LIMIT);
    assert_eq!(failed.content, Err(FetchError::Unreachable("the connection was lost".into())));
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_source_that_keeps_changing_is_given_up() {
    let server =
        Server::start(|head, stream| part(head, stream, b"content", &format!("\"{}\"", head.number), 3));
    let failed = Staging::new().fetch(&server.url("/"), LIMIT);
    assert!(matches!(failed.content, Err(FetchError::Unreachable(_))));
}

#[test]
fn a_server_that_says_nothing_is_too_slow() {
    let server = Server::start(|head, stream| {
        if head.path == "/late" {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")?;
        }
        stream.read(&mut [0; 8]).map(drop)
    });
    let mut staging = Staging::new();
    staging.policy.idle_timeout = Duration::from_millis(20);
    for path in ["/", "/late"] {
        assert_eq!(staging.fetch(&server.url(path), LIMIT).content, Err(FetchError::Timeout), "{path}");
    }
}

#[test]
fn a_server_that_drips_is_too_slow_in_the_end() {
    let server = Server::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            std::thread::sleep(Duration::from_millis(2)); // that is what slow means
        }
    });
    let mut staging = Staging::new();
    staging.policy.total_timeout = Duration::from_millis(300);
    assert_eq!(staging.fetch(&server.url("/"), LIMIT).content, Err(FetchError::Timeout));
}
