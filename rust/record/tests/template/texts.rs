//! Text, characters, quotes, and widths that are arguments.

use crate::same;
use pr_record::Value;

#[test]
fn text_and_characters_are_as_in_python() {
    same(
        "%s|%s|%s|%s",
        &[
            Value::Str("x"),
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
        ],
        "x|None|True|False",
    );
    same(
        "%s %s %s",
        &[
            Value::Int(12),
            Value::Int(-12),
            Value::UInt(18446744073709551615),
        ],
        "12 -12 18446744073709551615",
    );
    same(
        "%s|%s|%s|%s|%s",
        &[
            Value::Float(1.0),
            Value::Float(-0.0),
            Value::Float(1e+22),
            Value::Float(5e-324),
            Value::Float(0.1),
        ],
        "1.0|-0.0|1e+22|5e-324|0.1",
    );
    same(
        "%s|%s|%s|%r",
        &[
            Value::Float(f64::INFINITY),
            Value::Float(f64::NEG_INFINITY),
            Value::Float(f64::NAN),
            Value::Float(1e+16),
        ],
        "inf|-inf|nan|1e+16",
    );
    same(
        "%5s|%-5s|%.2s|%5.1s|%05s",
        &[
            Value::Str("é☃"),
            Value::Str("é☃"),
            Value::Str("é☃😀"),
            Value::Str("é☃"),
            Value::Str("x"),
        ],
        "   é☃|é☃   |é☃|    é|    x",
    );
    same(
        "%+s|% s|%#s|%0s",
        &[Value::Int(1), Value::Int(2), Value::Int(3), Value::Int(4)],
        "1|2|3|4",
    );
    same(
        "%6s|%-6s|%.2s",
        &[Value::Bool(true), Value::Null, Value::Bool(false)],
        "  True|None  |Fa",
    );
    same(
        "%8s|%-8s|%.3s",
        &[Value::Float(1.5), Value::Float(1.5), Value::Float(3.25)],
        "     1.5|1.5     |3.2",
    );
    same(
        "%s|%5s|%.3s",
        &[Value::Bytes(b"ab"), Value::Bytes(b""), Value::Bytes(b"abc")],
        "b'ab'|  b''|b'a",
    );
    same(
        "%c|%c|%c|%c",
        &[
            Value::Str("z"),
            Value::Int(97),
            Value::Int(9731),
            Value::Bool(true),
        ],
        "z|a|☃|\x01",
    );
    same(
        "%3c|%-3c|%.0c|%03c",
        &[
            Value::Str("é"),
            Value::Int(65),
            Value::Int(66),
            Value::Int(67),
        ],
        "  é|A  |B|  C",
    );
    same("%c%c", &[Value::Int(0), Value::Int(1114111)], "\x00􏿿");
    same("%s", &[Value::Str("")], "");
    same("100%% of %s%%", &[Value::Str("it")], "100% of it%");
    same("%%%d%%", &[Value::Int(1)], "%1%");
}

#[test]
fn quoted_texts_are_as_in_python() {
    same(
        "%r|%a|%r",
        &[
            Value::Str("a'b"),
            Value::Str("plain"),
            Value::Str("say \"no\""),
        ],
        "\"a'b\"|'plain'|'say \"no\"'",
    );
    same(
        "%r|%r",
        &[
            Value::Str("both ' and \""),
            Value::Str("tab\tnew\nline\r\\"),
        ],
        "'both \\' and \"'|'tab\\tnew\\nline\\r\\\\'",
    );
    same(
        "%r|%r",
        &[Value::Str("\x00\x1b\x7f"), Value::Str("")],
        "'\\x00\\x1b\\x7f'|''",
    );
    same(
        "%r|%a|%r",
        &[
            Value::Bytes(b"it's"),
            Value::Bytes(b"\x00\xff\\\"'"),
            Value::Bytes(b""),
        ],
        "b\"it's\"|b'\\x00\\xff\\\\\"\\''|b''",
    );
    same(
        "%r|%r|%a|%r",
        &[
            Value::Null,
            Value::Bool(true),
            Value::Int(-5),
            Value::Float(2.5),
        ],
        "None|True|-5|2.5",
    );
    same(
        "%10r|%-10r|%.3r|%.1a|",
        &[
            Value::Str("ab"),
            Value::Str("ab"),
            Value::Str("abcdef"),
            Value::Bytes(b"ab"),
        ],
        "      'ab'|'ab'      |'ab|b|",
    );
    same("%r", &[Value::Str("~ !")], "'~ !'");
}

#[test]
fn stars_are_as_in_python() {
    same(
        "%*d|%-*d|%*d|",
        &[
            Value::Int(5),
            Value::Int(42),
            Value::Int(5),
            Value::Int(42),
            Value::Int(-5),
            Value::Int(42),
        ],
        "   42|42   |42   |",
    );
    same(
        "%.*f|%*.*f|%.*f",
        &[
            Value::Int(2),
            Value::Float(1.0),
            Value::Int(8),
            Value::Int(3),
            Value::Float(1.0),
            Value::Int(-3),
            Value::Float(2.5),
        ],
        "1.00|   1.000|2",
    );
    same(
        "%.*s|%*s",
        &[
            Value::Int(2),
            Value::Str("abc"),
            Value::Bool(true),
            Value::Str("x"),
        ],
        "ab|x",
    );
    same(
        "%0*d|%.*d",
        &[Value::Int(6), Value::Int(-42), Value::Int(4), Value::Int(7)],
        "-00042|0007",
    );
}
