use axum::{Router, body::Body, routing};

use super::{Answer, front, request, send};
use crate::{http::Context, kernel::trace::Trace};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn router() -> Router {
    let tell =
        |context: Context| async move { format!("{} {} {:?}", context.request_id(), context.trace(), context.peer()) };
    front(Router::new().route("/tell", routing::get(tell)))
}

async fn with(headers: &[(&str, &[u8])]) -> Answer {
    let mut builder = request("GET", "/tell");
    for (name, value) in headers {
        builder = builder.header(*name, axum::http::HeaderValue::from_bytes(value).expect("a header"));
    }
    send(&router(), builder.body(Body::empty()).expect("valid")).await
}

#[tokio::test]
async fn a_sane_request_id_is_taken_and_echoed() {
    for id in ["a", "req_01h455vb4pex5vsknk084sn02q", "7b4e:12.3-x", &"x".repeat(128)] {
        let answer = with(&[("x-request-id", id.as_bytes())]).await;
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(answer.body.split(' ').next(), Some(id));
    }
}

#[tokio::test]
async fn other_request_ids_are_replaced() {
    let long = "x".repeat(129);
    for id in [&b""[..], b"a b", b"a\tb", b"a\"b", b"<script>", b"a;b", b"\xc3\xa9", b"\xff", long.as_bytes()] {
        let answer = with(&[("x-request-id", id)]).await;
        let made = answer.header("x-request-id");
        assert!(made.parse::<crate::http::RequestId>().is_ok(), "{id:?} was answered with {made}");
    }
    let answer = with(&[("x-request-id", b"one"), ("x-request-id", b"two")]).await;
    assert!(answer.header("x-request-id").starts_with("req_"), "two ids are none");
    assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
}

#[tokio::test]
async fn a_trace_goes_on_under_a_span_of_its_own() {
    let answer = with(&[("traceparent", PARENT.as_bytes())]).await;
    let ours = answer.body.split(' ').nth(1).expect("a traceparent").to_owned();
    assert!(ours.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && ours.ends_with("-01"), "{ours}");
    assert_ne!(ours, PARENT);
    assert!(Trace::parse(&ours).is_some(), "{ours}");
}

#[tokio::test]
async fn without_a_valid_trace_one_begins() {
    for headers in [&[][..], &[("traceparent", &b"00-junk"[..])]] {
        let answer = with(headers).await;
        let ours = answer.body.split(' ').nth(1).expect("a traceparent");
        assert!(Trace::parse(ours).is_some(), "{ours}");
        assert!(ours.ends_with("-00"), "nobody asked to sample it: {ours}");
    }
}

#[test]
fn a_traceparent_is_read_as_the_specification_says() {
    assert_eq!(Trace::parse(PARENT).expect("valid").to_string(), PARENT);
    let later = format!("cc{}-what-comes", &PARENT[2..]);
    assert_eq!(Trace::parse(&later).expect("a later version may have more").to_string(), PARENT);
    for text in [
        "",
        "00",
        &PARENT.to_uppercase(),
        &format!("ff{}", &PARENT[2..]),
        &format!("{PARENT}-more"),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333+-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
    ] {
        assert_eq!(Trace::parse(text), None, "{text}");
    }
}
