use super::super::*;
use crate::domain::Shape;
use serde_json::{Value, json};

fn scope() -> Scope {
    let line = Shape::object([("text", Shape::String), ("at", Shape::Timestamp)]);
    Scope::new()
        .with("status", crate::domain::spec_of("container.status").unwrap().returns)
        .with("logs", Shape::object([("lines", line.list()), ("matched", Shape::Integer)]))
        .with("percent", Shape::Number)
        .with("labels", Shape::Map(Box::new(Shape::String)))
        .with("wait", Shape::Duration)
        .with("now", Shape::Timestamp)
}

fn error(source: &str) -> String {
    Expression::compile(source, &scope()).unwrap_err().message
}

fn value(source: &str) -> Value {
    Expression::compile(source, &scope()).unwrap().evaluate(&bindings()).unwrap()
}

fn bindings() -> Bindings {
    let scope = scope();
    let mut bindings = Bindings::new();
    let lines = json!({"lines": [{"text": "ok", "at": "2026-11-21T03:00:00Z"}, {"text": "panic: x", "at": "2026-11-21T03:00:05Z"}], "matched": 2});
    for (name, value) in [
        ("logs", lines),
        ("percent", json!(91)),
        ("labels", json!({"severity": "critical"})),
        ("wait", json!("30s")),
        ("now", json!("2026-11-21T03:10:00Z")),
    ] {
        bindings.set(name, &value, scope.shape(name).unwrap());
    }
    bindings
}

#[test]
fn unknown_names_functions_and_fields_are_load_errors() {
    assert_eq!(error("statsu.ready"), "there is no variable 'statsu' here; did you mean 'status'?");
    assert_eq!(error("status.exit_cod == 1"), "'status' has no field 'exit_cod'; did you mean 'exit_code'?");
    assert_eq!(error("logs.lines.exists(l, l.txt == 'a')"), "'logs.lines[]' has no field 'txt'; did you mean 'text'?");
    assert_eq!(error("status.image.startWith('a')"), "there is no function 'startWith'; did you mean 'startsWith'?");
    assert_eq!(
        error("logs.lines.filter(l, true)[0].txt == ''"),
        "'logs.lines[]' has no field 'txt'; did you mean 'text'?"
    );
    assert_eq!(error("size(a, b)"), "size() takes 1 arguments, not 2");
    assert!(error("lists.range(1000000)").contains("no variable 'lists'"));
    assert!(error("type(now)").contains("no function 'type'"));
}

#[test]
fn types_that_cannot_fit_are_load_errors() {
    assert!(error("status.exit_code == '1'").contains("cannot be compared"));
    assert!(error("status.memory_limit * 1.5").contains("bytes? * number is not possible"));
    assert!(error("status.exit_code && true").contains("neither true nor false"));
    assert!(error("1u == 1u").contains("leave out the u"));
    assert!(error("status.state.exists(c, c == 'a')").contains("runs over a list"));
    assert!(error("(logs.lines + logs.lines).exists(l, true)").contains("given, not over one that is computed"));
    assert!(Expression::condition("status.image", &scope()).is_err());
}

#[test]
fn an_error_points_into_its_source() {
    let offset = |source: &str| Expression::compile(source, &scope()).unwrap_err().offset;
    assert_eq!(offset("'é' == 'é' && statsu.ready"), "'é' == 'é' && ".len());
    assert_eq!(offset("true &&\n  )"), "true &&\n  ".len());
    assert_eq!(offset("now >"), 5);
}

#[test]
fn loops_are_bounded() {
    let nested = "logs.lines.all(a, logs.lines.all(b, logs.lines.all(c, true)))";
    assert!(error(nested).contains("more than 2 loops"));
    assert!(Expression::compile("logs.lines.all(a, logs.lines.all(b, a.at <= b.at || true))", &scope()).is_ok());
}

#[test]
fn declared_types_evaluate() {
    assert_eq!(value("percent > 90"), json!(true));
    assert_eq!(value("logs.matched * 2"), json!(4));
    assert_eq!(value("logs.lines.filter(l, l.text.matches('^panic')).map(l, l.text)"), json!(["panic: x"]));
    assert_eq!(value("now - logs.lines[0].at > duration('5m')"), json!(true));
    assert_eq!(value("wait + duration('1m')"), json!("1m30s"));
    assert_eq!(value("now - wait"), json!("2026-11-21T03:09:30Z"));
    assert_eq!(value("labels.?team.orValue('nobody')"), json!("nobody"));
    assert_eq!(value("has(labels.severity) && labels['severity'] == 'critical'"), json!(true));
    assert_eq!(value("size(logs.lines) + size('abc')"), json!(5));
    assert_eq!(value("math.least(logs.matched * 10, 7)"), json!(7));
    assert_eq!(value("int(math.round(percent / 2.0))"), json!(46));
    assert_eq!(value("'a:b'.split(':')[1].upperAscii()"), json!("B"));
    assert_eq!(value("logs.lines.map(l, l.text).join('; ')"), json!("ok; panic: x"));
}

#[test]
fn what_is_not_known_is_unknown_and_never_true() {
    let holds = |source: &str| Expression::compile(source, &scope()).unwrap().holds(&bindings());
    assert_eq!(holds("status.ready"), Truth::Unknown("status.ready: 'status' is not known yet".into()));
    assert!(matches!(holds("labels.team == 'a'"), Truth::Unknown(_)));
    assert!(matches!(holds("logs.matched / 0 == 1"), Truth::Unknown(_)));
    assert_eq!(holds("status.ready || true"), Truth::True);
    assert_eq!(holds("false && status.ready"), Truth::False);
    let mut bindings = bindings();
    bindings.set(
        "logs",
        &json!({"lines": vec![json!({"text": "", "at": "2026-11-21T03:00:00Z"}); 1_001], "matched": 1}),
        scope().shape("logs").unwrap(),
    );
    let truth = Expression::compile("logs.lines.all(l, l.text == '')", &scope()).unwrap().holds(&bindings);
    assert!(matches!(truth, Truth::Unknown(why) if why.contains("1001 elements")));
}

#[test]
fn paths_follow_loops() {
    let expression = Expression::compile("logs.lines.filter(l, true).map(x, x.text)[0]", &scope()).unwrap();
    assert!(expression.paths().contains("logs.lines[].text"), "{:?}", expression.paths());
    assert_eq!(expression.references().iter().collect::<Vec<_>>(), ["logs"]);
    assert_eq!(*expression.shape(), Shape::String);
}

#[test]
fn every_function_of_the_table_exists() {
    for source in [
        "size(labels)",
        "int('1')",
        "double('1')",
        "string(1)",
        "duration('1s')",
        "timestamp('2026-11-21T03:00:00Z')",
        "'a'.size()",
        "'a'.contains('a')",
        "'a'.startsWith('a')",
        "'a'.endsWith('a')",
        "'a'.matches('a')",
        "now.getFullYear()",
        "now.getMonth()",
        "now.getDayOfMonth()",
        "now.getDate()",
        "now.getDayOfWeek()",
        "now.getDayOfYear()",
        "now.getHours()",
        "now.getMinutes('+01:00')",
        "now.getSeconds()",
        "now.getMilliseconds()",
        "labels.?a.hasValue()",
        "labels.?severity.value()",
        "'a'.charAt(0)",
        "'a'.indexOf('a')",
        "'a'.lastIndexOf('a')",
        "['a'].join()",
        "'a'.lowerAscii()",
        "'a'.upperAscii()",
        "'a'.replace('a', 'b')",
        "'a'.split(',')",
        "'ab'.substring(1)",
        "' a'.trim()",
        "math.greatest(1, 2)",
        "math.least([1, 2])",
        "math.ceil(1.5)",
        "math.floor(1.5)",
        "math.round(1.5)",
        "math.trunc(1.5)",
        "math.abs(-1)",
    ] {
        value(source);
    }
}

#[test]
fn templates_keep_types_and_fill_texts() {
    let compile = |value: Value| Template::compile(&value, &scope());
    let template = compile(json!({"n": "${{ logs.matched }}", "t": "got ${{ logs.matched }} in ${{ wait }}, ${{ {'a': {'b': '}}'}}.a.b }}", "l": [1, "${{ now }}"], "d": "${{ wait }}"})).unwrap();
    assert_eq!(
        template.render(&bindings()).unwrap(),
        json!({"n": 2, "t": "got 2 in 30s, }}", "l": [1, "2026-11-21T03:10:00Z"], "d": "30s"})
    );
    assert_eq!(template.references().into_iter().collect::<Vec<_>>(), ["logs", "now", "wait"]);
    let errors = compile(json!({"a": ["x", "see ${{ nwo }}"], "b": "${{ open"})).unwrap_err();
    assert_eq!(errors[0].0, "a[1]");
    assert_eq!(errors[0].1.offset, 8);
    assert_eq!(errors[1].1.message, "'${{' is not closed by '}}'");
}

/// A thread with the stack that tokio's have, so that an overflow of an unoptimised build would show here.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn nothing_of_a_kilobyte_overflows_the_stack() {
    on_a_small_stack(|| {
        for unit in [
            "(", "[", "{", "{a:", "!", "-", "a.", "a+", "1-", "a==", "a<", "a[", "f(", "a?b:", "a?", "a&&", "a||",
            "a&&(", "a in ", "x.map(y,", "a,", "'", "\\", ".", "?", "[a]", "a.b()", "a{", "(-", "!(",
        ] {
            for count in [5, 10, 15, 20, 25, 29, 31, 1_000 / unit.len()] {
                let source = unit.repeat(count);
                let closers: String = source
                    .chars()
                    .rev()
                    .filter_map(|c| match c {
                        '(' => Some(')'),
                        '[' => Some(']'),
                        '{' => Some('}'),
                        _ => None,
                    })
                    .collect();
                for source in [source.clone(), format!("{source}1{closers}"), format!("{source}true")] {
                    let _ = Expression::compile(&source[..source.len().min(1_024)], &scope());
                }
            }
        }
    });
}

#[test]
fn the_deepest_tree_evaluates_on_a_small_stack() {
    on_a_small_stack(|| {
        let deepest = (1..).map(|depth| format!("{}true{}", "!(".repeat(depth), ")".repeat(depth)));
        let compiled: Vec<_> = deepest.map_while(|source| Expression::compile(&source, &scope()).ok()).collect();
        assert!(compiled.len() > 10);
        assert!(!matches!(compiled.last().unwrap().holds(&Bindings::new()), Truth::Unknown(_)));
        let sum = (1..)
            .map(|terms| vec!["1"; terms].join("+"))
            .map_while(|source| Expression::compile(&source, &scope()).ok())
            .last()
            .unwrap();
        assert!(sum.evaluate(&Bindings::new()).unwrap().as_i64().unwrap() > 25);
    });
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_source_panics(source in r#"([a-c.()\[\]{}+*!?:,&|'"<>= -]|in|\.map\(|true){0,200}"#) {
        on_a_small_stack(move || {
            if let Ok(expression) = Expression::compile(&source, &scope()) {
                expression.holds(&bindings());
            }
        });
    }
}
