//! Which answers of a provider are asked for again, how often, and when.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse};
use mintreu::payments::{Answer, Body, Call, Client, ClientOptions, Method, ProviderError};

use crate::payments_scene::ids;

/// A status, and what `Retry-After` says beside it.
type Reply = (u16, Option<&'static str>);

/// A server that gives these answers, one after the other, and counts what it was asked.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<(VecDeque<Reply>, usize)>>);

async fn next(State(Script(script)): State<Script>) -> impl IntoResponse {
    let mut script = script.lock().expect("no panic");
    script.1 += 1;
    let (status, retry_after) = script.0.pop_front().unwrap_or((500, None));
    let headers = retry_after.map(|value| [("retry-after", value)]);
    (StatusCode::from_u16(status).expect("a status"), headers, format!("{} answers", script.1))
}

impl Script {
    /// Asks a server that answers like this, and gives what came of it with how often it was asked.
    async fn ask(options: ClientOptions, answers: &[Reply]) -> (Result<Answer, ProviderError>, usize) {
        crate::support::crypto();
        let script = Self(Arc::new(Mutex::new((answers.iter().copied().collect(), 0))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/v1/things", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(next).with_state(script.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::new(options, ids()).expect("a client");
        let call = Call { method: Method::Post, url, headers: Vec::new(), body: Body::Empty };
        let answer = client.send(&call).await;
        server.abort();
        let asked = script.0.lock().expect("no panic").1;
        (answer, asked)
    }
}

fn quick() -> ClientOptions {
    ClientOptions { pause: Duration::from_millis(1), ..ClientOptions::default() }
}

#[tokio::test]
async fn what_passes_is_asked_for_again() {
    for status in [409, 429, 500, 503] {
        let (answer, asked) = Script::ask(quick(), &[(status, None), (status, None), (201, None)]).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice(), asked), (201, b"3 answers".as_slice(), 3), "{status}");
    }
}

#[tokio::test]
async fn the_third_answer_is_the_last_whatever_it_is() {
    for status in [409, 429, 500] {
        let (answer, asked) = Script::ask(quick(), &[(status, None); 4]).await;
        let answer = answer.expect("a refusal is an answer, which its caller reads");
        assert_eq!((answer.status, answer.body.as_slice(), asked), (status, b"3 answers".as_slice(), 3));
    }
}

#[tokio::test]
async fn what_stays_is_not_asked_for_again() {
    for status in [200, 201, 302, 400, 401, 402, 404, 422] {
        let (answer, asked) = Script::ask(quick(), &[(status, Some("0")), (200, None)]).await;
        assert_eq!((answer.expect("an answer").status, asked), (status, 1));
    }
}

#[tokio::test]
async fn a_short_wait_that_is_asked_for_is_kept() {
    // Without heed of it the test would take hours.
    let slow = ClientOptions { pause: Duration::from_hours(9), ..ClientOptions::default() };
    for status in [409, 429, 503] {
        let (answer, asked) = Script::ask(slow, &[(status, Some("0")), (status, Some(" 1 ")), (200, None)]).await;
        assert_eq!((answer.expect("an answer").status, asked), (200, 3), "{status}");
    }
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller() {
    for long in ["3", "3600", "18446744073709551615"] {
        let (answer, asked) = Script::ask(quick(), &[(429, Some(long)), (200, None)]).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, asked), (429, 1), "{long}");
        assert_eq!(answer.retry_after.map(|told| told.as_secs()), long.parse().ok());
    }
}

#[tokio::test]
async fn a_wait_that_is_no_number_of_seconds_is_as_none() {
    for odd in ["soon", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let (answer, asked) = Script::ask(quick(), &[(429, Some(odd)), (200, None)]).await;
        assert_eq!((answer.expect("an answer").status, asked), (200, 2), "{odd}");
    }
}
