//! What a server answers for a manifest (PROTOCOL §4), without a server.

use super::Manifest;
use crate::encoding::base64url_encode;
use sha2::{Digest, Sha256};

/// Where a manifest is served.
pub const MANIFEST_PATH: &str = "/.well-known/imagxp-agent.json";

/// The `max-age` that [`Manifest::response`] serves, in seconds: what publishers assume when there is none.
pub const MANIFEST_MAX_AGE_S: u32 = 300;

/// A longer `If-None-Match` is no list of our tags.
const MAX_CONDITION: usize = 4096;

/// An answer: status, headers in lower case, body. The body of an answer to `HEAD` is empty; `content-length` is that of `GET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestResponse {
    /// 200, 304, 404 or 405.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The document, or nothing.
    pub body: Vec<u8>,
}

impl Manifest {
    /// Answers a request for the manifest, and 404 for everything else.
    ///
    /// `path` is the request target: a query is passed over, any other spelling of the path is another path. `if_none_match` is that
    /// header's value (RFC 9110 §13.1.2), all its lines joined by commas.
    pub fn response(&self, method: &str, path: &str, if_none_match: Option<&str>) -> ManifestResponse {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if path != MANIFEST_PATH {
            return plain(404, Vec::new());
        }
        if !matches!(method, "GET" | "HEAD") {
            return plain(405, vec![("allow", "GET, HEAD".to_owned())]);
        }
        let body = self.to_json();
        let tag = entity_tag(&body);
        let mut headers = vec![
            ("cache-control", format!("public, max-age={MANIFEST_MAX_AGE_S}")),
            ("etag", tag.clone()),
            ("access-control-allow-origin", "*".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        if if_none_match.is_some_and(|condition| matches(condition, &tag)) {
            return ManifestResponse { status: 304, headers, body: Vec::new() };
        }
        headers.push(("content-type", "application/json".to_owned()));
        headers.push(("content-length", body.len().to_string()));
        let body = if method == "HEAD" { Vec::new() } else { body };
        ManifestResponse { status: 200, headers, body }
    }
}

fn plain(status: u16, mut headers: Vec<(&'static str, String)>) -> ManifestResponse {
    headers.push(("content-length", "0".to_owned()));
    ManifestResponse { status, headers, body: Vec::new() }
}

fn entity_tag(body: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(body).into();
    let (short, _) = hash.split_at(16);
    format!("\"{}\"", base64url_encode(short))
}

/// Whether a condition names the tag, weakly compared; our tags hold no commas, so that splitting at them is exact.
fn matches(condition: &str, tag: &str) -> bool {
    condition.len() <= MAX_CONDITION
        && condition
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AgentId;
    use crate::crypto::{Algorithm, PrivateKey};
    use crate::manifest::{MAX_MANIFEST_BYTES, ManifestKey};

    fn manifest(seed: u8) -> Manifest {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(seed);
            Ok(())
        };
        let key = PrivateKey::generate(Algorithm::EdDsa, fill).unwrap();
        let agent = AgentId::parse("agent.example", false).unwrap();
        Manifest::new(agent, None, vec![ManifestKey::new(key.public_key().clone())]).unwrap()
    }

    fn header<'a>(response: &'a ManifestResponse, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn get_and_head() {
        let manifest = manifest(1);
        let get = manifest.response("GET", MANIFEST_PATH, None);
        assert_eq!(get.status, 200);
        assert_eq!(Manifest::parse(&get.body, manifest.agent_id(), MAX_MANIFEST_BYTES).unwrap(), manifest);
        assert_eq!(header(&get, "cache-control"), Some("public, max-age=300"));
        assert_eq!(header(&get, "content-type"), Some("application/json"));
        assert_eq!(header(&get, "content-length"), Some(get.body.len().to_string().as_str()));
        let head = manifest.response("HEAD", "/.well-known/imagxp-agent.json?x=1", None);
        assert_eq!((head.status, &head.headers, head.body.len()), (200, &get.headers, 0));
    }

    #[test]
    fn conditions() {
        let manifest = manifest(1);
        let tag = header(&manifest.response("GET", MANIFEST_PATH, None), "etag").unwrap().to_owned();
        for condition in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag} ,\"b\""), "*".into()] {
            let response = manifest.response("GET", MANIFEST_PATH, Some(&condition));
            assert_eq!((response.status, response.body.len()), (304, 0), "{condition}");
            assert_eq!(header(&response, "etag"), Some(tag.as_str()));
        }
        let other =
            header(&tests::manifest(2).response("GET", MANIFEST_PATH, None), "etag").unwrap().to_owned();
        assert_ne!(other, tag);
        for condition in ["", "\"a\"", &other, tag.trim_matches('"'), &format!("{}{tag}", "x,".repeat(3000))]
        {
            assert_eq!(
                manifest.response("GET", MANIFEST_PATH, Some(condition)).status,
                200,
                "{condition:.40}"
            );
        }
    }

    #[test]
    fn nothing_else() {
        for path in [
            "/",
            "",
            "/.well-known/",
            "/.well-known/imagxp-agent.json/",
            "//.well-known/imagxp-agent.json",
            "/.WELL-KNOWN/imagxp-agent.json",
            "/x/../.well-known/imagxp-agent.json",
        ] {
            let response = manifest(1).response("GET", path, None);
            assert_eq!((response.status, response.body.len()), (404, 0), "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
            let response = manifest(1).response(method, MANIFEST_PATH, None);
            assert_eq!((response.status, header(&response, "allow")), (405, Some("GET, HEAD")), "{method}");
        }
    }
}
