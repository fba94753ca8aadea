//! How signed requests and answers travel in HTTP headers. Text in, text out: no HTTP library here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::id::IncarnationId;
use crate::record::Head;
use crate::wire::sign::Sig;

/// Header: the incarnation that asks, hex.
pub const INCARNATION_HEADER: &str = "counterfoil-incarnation";
/// Header: the hub epoch the till believes in, decimal.
pub const EPOCH_HEADER: &str = "counterfoil-epoch";
/// Header: the head the till announces, `<position>:<chain>`.
pub const HEAD_HEADER: &str = "counterfoil-head";
/// Header: the signature of a request or an answer, base64.
pub const SIGNATURE_HEADER: &str = "counterfoil-signature";
/// The media type of every sync body: CBOR (RFC 8949).
pub const MEDIA_TYPE: &str = "application/cbor";
/// Path of the push endpoint.
pub const PUSH_PATH: &str = "/v1/sync/push";
/// Path of the feed endpoint; `?after=<cursor>&wait=<ms>`.
pub const FEED_PATH: &str = "/v1/sync/feed";
/// Path of the grants endpoint.
pub const GRANTS_PATH: &str = "/v1/sync/grants";
/// Path of the enrolment endpoint.
pub const ENROL_PATH: &str = "/v1/terminals/enroll";

/// Path of the succession endpoint: a till whose database is older than what it sent asks for another life.
pub const SUCCEED_PATH: &str = "/v1/sync/succeed";
/// Path of the report endpoint: a head office in a new epoch takes what its tills still have.
pub const REPORT_PATH: &str = "/v1/sync/report";

/// Headers that are absent or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request's {0} header is missing or malformed")]
pub struct HeaderError(pub &'static str);

/// What the headers of a signed request say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeaders {
    /// Who asks.
    pub incarnation: IncarnationId,
    /// The epoch it believes in.
    pub epoch: u64,
    /// The head it announces.
    pub head: Head,
    /// Its signature.
    pub signature: Sig,
}

impl RequestHeaders {
    /// Name and value of each header.
    pub fn to_pairs(&self) -> [(&'static str, String); 4] {
        [
            (INCARNATION_HEADER, self.incarnation.to_string()),
            (EPOCH_HEADER, self.epoch.to_string()),
            (HEAD_HEADER, format!("{}:{}", self.head.position, self.head.chain)),
            (SIGNATURE_HEADER, signature_text(&self.signature)),
        ]
    }

    /// Reads the headers; `header` gives a header's value by its lower-case name.
    ///
    /// # Errors
    /// When one is missing or malformed; the error names it.
    pub fn parse<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Result<Self, HeaderError> {
        let incarnation = header(INCARNATION_HEADER).and_then(|text| text.parse().ok());
        let epoch = header(EPOCH_HEADER).and_then(|text| text.parse().ok());
        let head = header(HEAD_HEADER).and_then(|text| {
            let (position, chain) = text.split_once(':')?;
            Some(Head { position: position.parse().ok()?, chain: chain.parse().ok()? })
        });
        let signature = header(SIGNATURE_HEADER).and_then(parse_signature);
        Ok(Self {
            incarnation: incarnation.ok_or(HeaderError(INCARNATION_HEADER))?,
            epoch: epoch.ok_or(HeaderError(EPOCH_HEADER))?,
            head: head.ok_or(HeaderError(HEAD_HEADER))?,
            signature: signature.ok_or(HeaderError(SIGNATURE_HEADER))?,
        })
    }
}

/// A signature as header text.
pub fn signature_text(signature: &Sig) -> String {
    STANDARD.encode(signature.0)
}

/// A signature from header text; `None` where it is none.
pub fn parse_signature(text: &str) -> Option<Sig> {
    STANDARD.decode(text).ok()?.try_into().ok().map(Sig)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Chain;

    #[test]
    fn headers_survive_and_bad_ones_are_named() {
        let headers = RequestHeaders {
            incarnation: IncarnationId([7; 16]),
            epoch: 3,
            head: Head { position: 9, chain: Chain::of(&[b"x"]) },
            signature: Sig([5; 64]),
        };
        let pairs = headers.to_pairs();
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(RequestHeaders::parse(find), Ok(headers.clone()));
        for missing in [INCARNATION_HEADER, EPOCH_HEADER, HEAD_HEADER, SIGNATURE_HEADER] {
            let without = |name: &'static str| {
                if name == missing { Some("x") } else { find(name) }
            };
            assert_eq!(RequestHeaders::parse(without), Err(HeaderError(missing)));
        }
    }
}
