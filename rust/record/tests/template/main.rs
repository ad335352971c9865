//! Templates as CPython 3.11 renders them: each expectation is what `template % arguments` gives there.

mod numbers;
mod stored;
mod texts;

use pr_record::{Args, Field, Value, template};

fn rendered(event: &str, args: Args<'_>) -> String {
    let mut text = String::new();
    template::write(event, args, &mut |piece| text.push_str(piece));
    text
}

#[track_caller]
fn same(event: &str, args: &[Value<'_>], expected: &str) {
    assert!(template::fits(event, args), "{event:?}");
    assert_eq!(rendered(event, Args::listed(args)), expected, "{event:?}");
}

/// The call has to render it, or it does not fit.
#[track_caller]
fn left_to_the_call(event: &str, args: &[Value<'_>]) {
    assert!(!template::fits(event, args), "{event:?} {args:?}");
}

#[test]
fn what_python_refuses_does_not_fit() {
    let (int, text, float) = (Value::Int(1), Value::Str("x"), Value::Float(1.5));
    for (event, args) in [
        ("%d things", &[text][..]),
        ("%d", &[Value::Null]),
        ("%x", &[float]),
        ("%o", &[Value::Bytes(b"7")]),
        ("%f", &[text]),
        ("%g", &[Value::Null]),
        ("%c", &[Value::Str("")]),
        ("%c", &[Value::Str("ab")]),
        ("%c", &[Value::Int(-1)]),
        ("%c", &[Value::Int(0x11_0000)]),
        ("%c", &[float]),
        ("%s %s", &[int]),
        ("%s", &[int, int]),
        ("none", &[int]),
        ("100%%", &[int]),
        ("%", &[int]),
        ("%s %", &[int]),
        ("%s %!", &[int]),
        ("%b", &[int]),
        ("%lld", &[int]),
        ("%5%%s", &[int]),
        ("%(a)s", &[int]),
        ("%*d", &[text, int]),
        ("%*d", &[int]),
        ("%.*f", &[float, float]),
        ("%d", &[Value::Float(f64::NAN)]),
        ("%d", &[Value::Float(f64::INFINITY)]),
        ("%s \u{2603}%d", &[text]),
    ] {
        left_to_the_call(event, args);
    }
}

#[test]
fn what_only_the_interpreter_can_do_does_not_fit() {
    let int = Value::Int(1);
    for (event, args) in [
        ("%c", &[Value::Int(0xd800)][..]), // a lone surrogate
        ("%r", &[Value::Str("é")]),
        ("%a", &[Value::Str("é")]),
        ("%s", &[Value::DateTime("2026-11-21")]),
        ("%s", &[Value::Decimal("1.5")]),
        ("%d", &[Value::Float(1e300)]),
        ("%251d", &[int]),
        ("%.251f", &[int]),
        ("%99999999999999999999d", &[int]),
        ("%*d", &[Value::Int(251), int]),
        ("%*d", &[Value::Int(-251), int]),
        ("%*d", &[Value::Int(i64::MIN), int]),
    ] {
        left_to_the_call(event, args);
    }
}

#[test]
fn what_asks_for_more_padding_than_anybody_needs_is_seen() {
    let ints = |n: usize| [Some(7), Some(i64::MIN), None].get(n).copied().flatten();
    for template in [
        "%16777217d",
        "%99999999999999999999999d",
        "%-+ #09999999999d",
        "%(a(b)c)9999999999d",
        "%.9999999999f and %s",
        "%9999999.9999999d",
        "%9999999d %9999999d",
        "%d %*d",
        "%*.*f",
        "%5.9999999999d",
        "%9999999999",
        "%%%9999999999%",
    ] {
        assert!(template::is_enormous(template, ints), "{template}");
    }
    for template in [
        "",
        "100 % of 9999999999",
        "%%9999999999d",
        "%(9999999999)d",
        "%.9999999999s",
        "%s%.9999999999r",
        "%16777216d",
        "%*d %d %*d",
        "%*d%%%s%*d",
        "%)9999999999d",
        "%(9999999999d",
        "%",
    ] {
        assert!(!template::is_enormous(template, ints), "{template}");
    }
}

#[test]
fn a_template_with_names_takes_them_from_a_mapping() {
    let args = [
        Field {
            key: "user",
            value: Value::Str("ann"),
        },
        Field {
            key: "",
            value: Value::Int(7),
        },
    ];
    for (event, expected) in [
        ("%(user)s left", "ann left"),
        ("%(user)-5s|%()03d|%(user).1s", "ann  |007|a"),
        ("none", "none"),
        ("100%%", "100%"),
    ] {
        assert!(template::fits_named(event, &args), "{event}");
        assert_eq!(rendered(event, Args::named(&args)), expected);
    }
    for event in [
        "%(other)s",
        "%s",
        "%d",
        "%(user)d",
        "%()*d",
        "%().*f",
        "%(user",
        "%(user)",
        "%(us(e)r)s",
        "%(user)%",
    ] {
        assert!(!template::fits_named(event, &args), "{event}");
    }
}

#[test]
fn a_template_with_very_many_conversions_is_left_to_the_call() {
    let args = [Field {
        key: "a",
        value: Value::Int(1),
    }];
    assert!(template::fits_named(&"%(a)s".repeat(64), &args));
    let event = "%(a)s".repeat(65);
    assert!(!template::fits_named(&event, &args));
    let expected = "1".repeat(64) + "%(a)s";
    assert_eq!(rendered(&event, Args::named(&args)), expected);
}

#[test]
fn what_cannot_be_done_is_shown_as_it_stands() {
    let args = [Value::Str("x"), Value::Int(1)];
    for (event, expected) in [
        ("%d|%d", "%d|1"),
        ("%s%s%s", "x1%s"),
        ("%s%", "x%"),
        ("%!%s", "%!x"),
        ("%999s|%s", "%999s|x"),
        ("é%(k)s%s", "é%(k)sx"),
    ] {
        assert_eq!(rendered(event, Args::listed(&args)), expected);
    }
    assert_eq!(rendered("%(a)s %s", Args::named(&[])), "%(a)s %s");
}
