//! One HTTP GET.

use crate::connect::{Target, Unreachable};
use crate::reach::Reach;
use beluga_engine::{Fetched, Secret};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::time::Instant;

/// Of a body; the rest is not read.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Asks, and waits for the whole answer.
pub(crate) async fn fetch(url: Secret, bearer: Secret, reach: Reach, timeout: Duration) -> Fetched {
    match ask(&url, &bearer, &reach, Instant::now() + timeout).await {
        Ok(fetched) => fetched,
        Err(end) => Fetched::Failed { why: end.why },
    }
}

async fn ask(
    url: &Secret,
    bearer: &Secret,
    reach: &Reach,
    deadline: Instant,
) -> Result<Fetched, Unreachable> {
    let uri: Uri = url
        .reveal()
        .parse()
        .map_err(|_| Unreachable::because("the address is no URL"))?;
    let target = Target::of(&uri, "http", "https")?;
    let request = request(&uri, &target, bearer, &reach.user_agent)
        .ok_or_else(|| Unreachable::because("the token or the URL cannot stand in a request"))?;
    let (stream, _) = target.connect(&reach.trust, deadline).await?;
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The connection moves only while it is polled; it ends after the body.
        tokio::pin!(connection);
        let answer = async {
            let response = sender.send_request(request).await?;
            read(response).await
        };
        tokio::pin!(answer);
        let mut open = true;
        loop {
            tokio::select! {
                answered = &mut answer => break answered,
                _ = &mut connection, if open => open = false,
            }
        }
    };
    target
        .within(deadline, "there was no answer", exchange)
        .await?
        .map_err(|why: hyper::Error| {
            Unreachable::because(format!("{target}: no HTTP answer: {why}"))
        })
}

fn request(
    uri: &Uri,
    target: &Target,
    bearer: &Secret,
    user_agent: &str,
) -> Option<Request<Empty<Bytes>>> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.reveal())).ok()?;
    authorization.set_sensitive(true);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Request::get(path)
        .header(HOST, target.authority())
        .header(USER_AGENT, user_agent)
        .header(AUTHORIZATION, authorization)
        .header(CONNECTION, "close")
        .body(Empty::new())
        .ok()
}

async fn read(response: Response<Incoming>) -> hyper::Result<Fetched> {
    let status = response.status().as_u16();
    let max_age_s = max_age_s(response.headers());
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while body.len() < MAX_BODY_BYTES
        && let Some(frame) = incoming.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            body.extend_from_slice(&data[..data.len().min(MAX_BODY_BYTES - body.len())]);
        }
    }
    Ok(Fetched::Response {
        status,
        max_age_s,
        body,
    })
}

/// RFC 9111, section 5.2.2.1.
fn max_age_s(headers: &HeaderMap) -> Option<u32> {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_an_answer_is_found_among_other_directives() {
        let age = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                CACHE_CONTROL,
                HeaderValue::from_str(value).expect("a value"),
            );
            max_age_s(&headers)
        };
        assert_eq!(age("public, Max-Age=60"), Some(60));
        assert_eq!(age("max-age=\"5\""), Some(5));
        assert_eq!(age("no-store"), None);
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(max_age_s(&HeaderMap::new()), None);
    }
}
