//! Head office's address, and when plain HTTP is allowed: only when the address says so, and only to this
//! machine itself.

use std::net::IpAddr;

use reqwest::Url;

/// A hub address that will not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address.
    #[error("{0:?} is not head office's address: write https://HOST or https://HOST:PORT")]
    Malformed(String),
    /// Unencrypted over a network.
    #[error(
        "{0:?} would send sales and members unencrypted over the network: write https://, plain http is for a hub on this machine (127.0.0.1)"
    )]
    Plain(String),
}

/// Where a hub is. Only the scheme, the host and the port; paths are the protocol's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubUrl {
    base: Url,
}

impl HubUrl {
    /// Reads an address as configured.
    ///
    /// # Errors
    /// When it is none, or plain HTTP to another machine.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let base = Url::parse(text).map_err(|_| malformed())?;
        let bare = base.path() == "/"
            && base.query().is_none()
            && base.fragment().is_none()
            && base.username().is_empty()
            && base.password().is_none();
        match base.scheme() {
            "https" if bare && base.has_host() => Ok(Self { base }),
            "http" if bare && is_loopback(&base) => Ok(Self { base }),
            "http" if bare => Err(AddressError::Plain(text.to_owned())),
            _ => Err(malformed()),
        }
    }

    /// Whether exchanges are encrypted.
    pub fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The address of one endpoint; `path` begins with `/` and may hold a query, both already encoded.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.as_str())
    }

    /// The address without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in ["https://hq.example", "https://10.0.0.1:7400/", "http://127.0.0.1:7400", "http://[::1]:1"] {
            let url = HubUrl::parse(good).unwrap();
            assert_eq!(url.is_tls(), good.starts_with("https"));
            assert_eq!(url.endpoint("/v1/x"), format!("{}/v1/x", good.trim_end_matches('/')));
        }
        for plain in ["http://hq.example", "http://10.0.0.1:7400", "http://127.0.0.1.evil.example"] {
            assert_eq!(HubUrl::parse(plain), Err(AddressError::Plain(plain.to_owned())));
        }
        for bad in ["hq", "ftp://hq", "https://", "https://hq/path", "https://u:p@hq", "http://127.0.0.1/x", "unix:/x"]
        {
            assert_eq!(HubUrl::parse(bad), Err(AddressError::Malformed(bad.to_owned())), "{bad}");
        }
    }
}
