//! Every way in which a model does not answer, and what is said of it.

use super::{config, model, question};
use crate::model::scripted::{Reply, Scripted};
use oncalld::{
    config::Provider,
    domain::{TimeSpan, Usage},
    llm::{Answer, LARGEST_ANSWER, ModelError, Unanswered},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PAID: Usage = Usage { input: 1000, output: 100 };

/// Of the question and `{}`, where nobody counted.
const ESTIMATED: Usage = Usage { input: 108, output: 1 };
const FREE: Usage = Usage { input: 0, output: 0 };

async fn ask(provider: Provider, reply: Reply) -> Result<Answer, Unanswered> {
    let server = Scripted::playing([reply]);
    let answer = model(&config(provider, server.address())).ask(&question()).await;
    assert_eq!(server.asked().len(), 1, "nothing is asked twice");
    answer
}

fn changed(path: &'static str, value: Value) -> Reply {
    Reply::openai_but("{}", |answer| *answer.pointer_mut(path).expect(path) = value)
}

fn rejected(status: u16, message: &str) -> ModelError {
    ModelError::Rejected { status, message: message.into() }
}

fn broken(status: u16, message: &str) -> ModelError {
    ModelError::Broken { status, message: message.into() }
}

fn limited(message: &str, seconds: Option<u64>) -> ModelError {
    ModelError::Limited { message: message.into(), again_in: seconds.map(TimeSpan::from_secs) }
}

#[tokio::test]
async fn refusals_of_compatible_servers_keep_status_and_words() {
    let vllm = json!({"error": {"message": "maximum context length is 4096", "type": "BadRequestError", "code": 400}});
    let older = json!({"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404});
    let filtered = json!({"error": {"code": "content_filter", "message": "policy", "innererror": {}}});
    let quota = json!({"error": {"message": "you exceeded your quota", "type": "insufficient_quota", "code": "x"}});
    let inside = json!({"error": {"message": "upstream is gone", "code": 503}, "user_id": "u"});
    let page = "<html>\n<head><title>413 Request Entity Too Large</title></head></html>";
    for (reply, wanted) in [
        (Reply::json(400, vllm), rejected(400, "maximum context length is 4096")),
        (Reply::json(404, older), rejected(404, "no such model")),
        (Reply::json(404, json!({"error": "model 'x' not found"})), rejected(404, "model 'x' not found")),
        (Reply::json(422, json!({"detail": "field required"})), rejected(422, "field required")),
        (Reply::text(413, page), rejected(413, "a web page: 413 Request Entity Too Large")),
        (Reply::text(401, "who?"), ModelError::Unauthorized("who?".into())),
        (Reply::text(403, ""), ModelError::Unauthorized("it says nothing".into())),
        (Reply::json(400, filtered), ModelError::Declined("policy".into())),
        (Reply::json(402, json!({"error": {"message": "pay"}})), limited("pay", None)),
        (Reply::json(429, quota).header("retry-after", "86400"), limited("you exceeded your quota", Some(86_400))),
        (Reply::text(503, "busy").header("Retry-After", "2"), limited("busy", Some(2))),
        (Reply::text(503, "no healthy upstream"), broken(503, "no healthy upstream")),
        (Reply::text(500, "\u{202e}oops\u{7}"), broken(500, "oops")),
        (Reply::text(408, "late"), broken(408, "late")),
        (Reply::text(302, "").header("location", "/elsewhere"), rejected(302, "it says nothing")),
        (Reply::json(200, inside), broken(503, "upstream is gone")), // a success that is none
    ] {
        let shown = format!("{reply:?}");
        let error = ask(Provider::Compatible, reply).await.expect_err("a refusal");
        assert_eq!(error, Unanswered { error: wanted, usage: FREE }, "{shown}");
    }
    let long = ask(Provider::Compatible, Reply::text(400, &"x".repeat(100_000))).await.expect_err("a refusal");
    assert!(long.error.to_string().len() < 400, "{}", long.error);
}

#[tokio::test]
async fn completions_that_are_no_answers_say_why_and_are_paid_for() {
    let refusal = "I can't help with that.";
    for (reply, wanted) in [
        (changed("/choices/0/message/refusal", json!(refusal)), ModelError::Declined(refusal.into())),
        (changed("/choices/0/finish_reason", json!("length")), ModelError::CutOff),
        (
            changed("/choices/0/finish_reason", json!("content_filter")),
            ModelError::Declined("its vendor's filter holds the answer back".into()),
        ),
        (changed("/choices/0/message/content", json!("")), ModelError::Empty),
        (changed("/choices/0/message/content", json!(" \n")), ModelError::Empty),
        (changed("/choices/0/message/content", Value::Null), ModelError::Empty),
        (changed("/choices", json!([])), ModelError::Unreadable("there is no message in it".into())),
    ] {
        let shown = format!("{reply:?}");
        let error = ask(Provider::OpenAi, reply).await.expect_err(&shown);
        assert_eq!(error, Unanswered { error: wanted, usage: PAID }, "{shown}");
    }
}

#[tokio::test]
async fn what_compatible_servers_leave_out_or_write_oddly_is_no_trouble() {
    let bare = json!({"choices": [{"message": {"content": "{}"}}]});
    for (reply, usage) in [
        (changed("/created", json!("yesterday")), Some(PAID)),
        (changed("/created", json!(1_795_262_400.5)), Some(PAID)),
        (changed("/choices/0/finish_reason", Value::Null), Some(PAID)),
        (changed("/choices/0/finish_reason", json!("eos_token")), Some(PAID)),
        (changed("/choices/0/message/content", json!([{"type": "text", "text": "{"}, {"text": "}"}])), Some(PAID)),
        (changed("/choices/0/message/content", json!("```json\n{}\n```")), Some(PAID)),
        (changed("/usage", Value::Null), None),
        (changed("/usage", json!({"prompt_tokens": 0, "completion_tokens": -1})), None),
        (changed("/usage", json!({"prompt_tokens": "many"})), None),
        (Reply::json(200, bare), None),
    ] {
        let shown = format!("{reply:?}");
        let answer = ask(Provider::Compatible, reply).await.expect(&shown);
        assert_eq!(answer.text, "{}", "{shown}");
        match usage {
            Some(usage) => assert_eq!(answer.usage, usage, "{shown}"),
            None => assert_eq!(answer.usage, ESTIMATED, "{shown}"),
        }
    }
}

#[tokio::test]
async fn messages_of_anthropic_say_why_they_are_no_answers() {
    let refused = |kind: &str, text: &str| json!({"type": "error", "error": {"type": kind, "message": text}});
    let with = |path: &'static str, value: Value| Reply::anthropic_but("{}", |all| all[path] = value);
    let because = json!({"type": "refusal", "category": "cyber", "explanation": "It could do harm."});
    let harm = Reply::anthropic_but("", |all| (all["stop_reason"], all["stop_details"]) = (json!("refusal"), because));
    for (reply, wanted, usage) in [
        (with("stop_reason", json!("max_tokens")), ModelError::CutOff, PAID),
        (with("stop_reason", json!("model_context_window_exceeded")), ModelError::CutOff, PAID),
        (with("stop_reason", json!("refusal")), ModelError::Declined("it says no more".into()), PAID),
        (harm, ModelError::Declined("It could do harm.".into()), PAID),
        (with("content", json!([{"type": "thinking", "thinking": "hm"}])), ModelError::Empty, PAID),
        (Reply::json(401, refused("authentication_error", "no key")), ModelError::Unauthorized("no key".into()), FREE),
        (Reply::json(402, refused("billing_error", "pay")), limited("pay", None), FREE),
        (Reply::json(404, refused("not_found_error", "model: x")), rejected(404, "model: x"), FREE),
        (Reply::json(413, refused("request_too_large", "too large")), rejected(413, "too large"), FREE),
        (
            Reply::json(429, refused("rate_limit_error", "slow")).header("retry-after", "9"),
            limited("slow", Some(9)),
            FREE,
        ),
        (Reply::json(500, refused("api_error", "oops")), broken(500, "oops"), FREE),
        (Reply::json(529, refused("overloaded_error", "Overloaded")), limited("Overloaded", None), FREE),
    ] {
        let shown = format!("{reply:?}");
        let error = ask(Provider::Anthropic, reply).await.expect_err(&shown);
        assert_eq!(error, Unanswered { error: wanted, usage }, "{shown}");
    }
    let cached = json!({"input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 3000, "output_tokens": 4});
    let parts =
        json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "{"}, {"type": "text", "text": "}"}]);
    let whole = Reply::anthropic_but("", |all| (all["content"], all["usage"]) = (parts, cached));
    let answer = ask(Provider::Anthropic, whole).await.expect("an answer");
    assert_eq!(answer, Answer { text: "{}".into(), usage: Usage { input: 3210, output: 4 } });
}

/// A schema that is too much for Anthropic's grammar is told instead, and what comes back is checked here anyway.
#[tokio::test]
async fn a_schema_that_cannot_be_enforced_is_told() {
    let refusal = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "The compiled grammar is too large."}});
    let told = Reply::anthropic("```json\n{}\n```");
    let server = Scripted::playing([Reply::json(400, refusal), told.clone(), told]);
    let model = model(&config(Provider::Anthropic, server.address()));
    for questions in [2, 3] {
        let answer = model.ask(&question()).await.expect("an answer");
        assert_eq!((answer.text.as_str(), server.asked().len()), ("{}", questions), "it is refused once only");
    }
    let asked = server.asked();
    assert!(asked[2].body["output_config"].is_null());
    assert!(asked[1].body["output_config"].is_null());
    assert!(asked[1].text().contains(&question().schema.to_string()) && !asked[0].text().contains("JSON Schema"));
}

#[tokio::test]
async fn connections_that_break_are_told_from_servers_that_are_away() {
    for provider in [Provider::Compatible, Provider::Anthropic] {
        let whole = if provider == Provider::Anthropic { Reply::anthropic("{}") } else { Reply::openai("{}") };
        for reply in [Reply::close(), Reply::garbage(), Reply::half(&whole)] {
            let shown = format!("{reply:?}");
            let error = ask(provider, reply).await.expect_err(&shown);
            assert!(matches!(error.error, ModelError::Lost(_)), "{shown}: {error:?}");
            assert!(error.usage.input > 0 && error.usage.output == 4_096, "it may have been worked on: {error:?}");
        }
        for text in ["OK", "", "{\"choices\": [", &"[".repeat(10_000)] {
            let error = ask(provider, Reply::text(200, text)).await.expect_err("no JSON");
            assert!(matches!(error.error, ModelError::Unreadable(_)), "{text}: {error:?}");
        }
        let error = model(&config(provider, "http://127.0.0.1:1")).ask(&question()).await.expect_err("nobody is there");
        assert!(matches!(error.error, ModelError::Away(_)), "{error:?}");
        assert_eq!(error.usage, FREE);
    }
}

/// However an answer is late, the model's own time-out ends it: also where a server wants to be asked again much later.
#[tokio::test]
async fn no_answer_takes_longer_than_the_time_out() {
    for provider in [Provider::OpenAi, Provider::Anthropic] {
        let long = "x".repeat(100_000);
        let whole = if provider == Provider::Anthropic { Reply::anthropic(&long) } else { Reply::openai(&long) };
        for reply in [Reply::hang(), whole.clone().after(Duration::from_secs(3_600)), Reply::drip(&whole)] {
            let server = Scripted::playing([reply]);
            let mut config = config(provider, server.address());
            config.timeout = TimeSpan::from_millis(500);
            let (started, model) = (Instant::now(), model(&config));
            let error = model.ask(&question()).await.expect_err("no answer in time");
            assert_eq!(error.error, ModelError::TimedOut(config.timeout));
            let Usage { input, output } = error.usage;
            assert!(input > 0 && output == 4_096, "whoever is late writes on: {error:?}");
            assert!(started.elapsed() >= Duration::from_millis(500) && started.elapsed() < Duration::from_secs(30));
        }
    }
}

/// The rest of an answer that is too large is not even taken from the server.
#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    for provider in [Provider::Compatible, Provider::Anthropic] {
        for announced in [true, false] {
            for bytes in [10 << 20, 512 << 20] {
                let server = Scripted::playing([Reply::large(bytes, announced)]);
                let model = model(&config(provider, server.address()));
                let error = model.ask(&question()).await.expect_err("too large");
                assert_eq!(error.error, ModelError::TooLarge);
                // What lies in the buffers of both sockets is more than what was read, but has a bound, too.
                let most = LARGEST_ANSWER + (64 << 20);
                assert!(server.sent() <= most.min(bytes), "{} of {bytes} were taken", server.sent());
            }
        }
    }
}
