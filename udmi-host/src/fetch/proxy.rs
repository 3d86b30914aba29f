//! Which proxy leads to which server.

use std::env;

use ureq::http::Uri;

use super::{FetcherError, Proxy};

/// The proxies of a policy by the scheme of what is fetched, and what is reached without.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    http: Option<ureq::Proxy>,
    https: Option<ureq::Proxy>,
    direct: Vec<Direct>,
}

/// An entry of `no_proxy`.
#[derive(Debug, PartialEq, Eq)]
enum Direct {
    All,
    /// A host in small letters, or the domain of hosts.
    Host(String),
}

impl Proxies {
    pub(super) fn of(proxy: &Proxy) -> Result<Self, FetcherError> {
        match proxy {
            Proxy::None => Ok(Self::default()),
            Proxy::Url(url) => {
                let proxy = Some(read(url.expose())?);
                Ok(Self { http: proxy.clone(), https: proxy, direct: Vec::new() })
            }
            Proxy::Environment => Self::of_environment(|name| env::var(name).ok()),
        }
    }

    fn of_environment(value: impl Fn(&str) -> Option<String>) -> Result<Self, FetcherError> {
        let value = |name: &str| {
            let set = |name: &str| value(name).filter(|value| !value.trim().is_empty());
            set(name).or_else(|| set(&name.to_ascii_uppercase()))
        };
        let proxy = |name: &str| {
            let url = value(name).or_else(|| value("all_proxy"));
            url.map(|url| read(url.trim())).transpose()
        };
        let direct = value("no_proxy").unwrap_or_default();
        let direct = direct.split(',').filter_map(Direct::read).collect();
        Ok(Self { http: proxy("http_proxy")?, https: proxy("https_proxy")?, direct })
    }

    /// The proxy that leads to the server of a URL, if any does.
    pub(super) fn towards(&self, url: &Uri) -> Option<&ureq::Proxy> {
        let proxy = if url.scheme_str() == Some("https") { &self.https } else { &self.http };
        let host = url.host().unwrap_or_default();
        proxy.as_ref().filter(|_| !self.direct.iter().any(|direct| direct.covers(host)))
    }
}

impl Direct {
    fn read(entry: &str) -> Option<Self> {
        match bare(entry.trim()).trim_start_matches('*').trim_start_matches('.') {
            "" if entry.trim() == "*" => Some(Self::All),
            "" => None,
            host => Some(Self::Host(host.to_ascii_lowercase())),
        }
    }

    fn covers(&self, host: &str) -> bool {
        let Self::Host(domain) = self else { return true };
        let host = bare(host).trim_end_matches('.').to_ascii_lowercase();
        let rest = host.strip_suffix(domain.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn read(url: &str) -> Result<ureq::Proxy, FetcherError> {
    ureq::Proxy::new(url).map_err(|_| FetcherError::Proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(environment: &[(&str, &str)]) -> Proxies {
        let value = |name: &str| {
            environment.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        Proxies::of_environment(value).unwrap()
    }

    fn towards<'a>(proxies: &'a Proxies, url: &str) -> Option<&'a str> {
        proxies.towards(&url.parse().unwrap()).map(ureq::Proxy::host)
    }

    #[test]
    fn the_environment_names_a_proxy_by_the_scheme_of_the_url() {
        let both = proxies(&[("http_proxy", "http://one:3128"), ("https_proxy", "http://two:3128")]);
        assert_eq!(towards(&both, "http://host/"), Some("one"));
        assert_eq!(towards(&both, "https://host/"), Some("two"));
        let one = proxies(&[("HTTPS_PROXY", "two:3128")]);
        assert_eq!((towards(&one, "http://host/"), towards(&one, "https://host/")), (None, Some("two")));
        let rest =
            proxies(&[("ALL_PROXY", "socks5h://all"), ("https_proxy", "two"), ("HTTPS_PROXY", "three")]);
        assert_eq!(
            (towards(&rest, "http://host/"), towards(&rest, "https://host/")),
            (Some("all"), Some("two"))
        );
        let empty = proxies(&[("http_proxy", " "), ("no_proxy", ",")]);
        assert_eq!(towards(&empty, "http://host/"), None);
    }

    #[test]
    fn no_proxy_names_hosts_domains_and_addresses() {
        let list = "localhost, .Example.com,*.lab,10.0.0.1,[::1],,";
        let some = proxies(&[("all_proxy", "proxy"), ("NO_PROXY", list)]);
        for direct in
            ["LOCALHOST", "example.com", "a.b.example.com", "example.com.", "x.lab", "10.0.0.1", "[::1]"]
        {
            assert_eq!(towards(&some, &format!("http://{direct}:80/")), None, "{direct}");
        }
        for other in ["badexample.com", "example.org", "10.0.0.11", "[::2]", "lab.org"] {
            assert_eq!(towards(&some, &format!("http://{other}/")), Some("proxy"), "{other}");
        }
        let none = proxies(&[("all_proxy", "proxy"), ("no_proxy", "*")]);
        assert_eq!(towards(&none, "http://host/"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_told_and_shows_no_password() {
        for url in ["ftp://host", "http://", "http://u:hunter2@ho st"] {
            let refused = Proxies::of_environment(|name| (name == "http_proxy").then(|| url.to_owned()));
            assert!(matches!(refused, Err(FetcherError::Proxy)), "{url}");
        }
        let kept = proxies(&[("all_proxy", "socks5://user:hunter2@host")]);
        assert!(!format!("{kept:?}").contains("hunter2"), "{kept:?}");
    }
}
