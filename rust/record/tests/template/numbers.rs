//! Whole numbers and floats.

use crate::same;
use pr_record::Value;

#[test]
fn whole_numbers_are_as_in_python() {
    same(
        "%d|%i|%u",
        &[Value::Int(1), Value::Int(-2), Value::Int(0)],
        "1|-2|0",
    );
    same(
        "%5d|%-5d|%05d|%+d|% d",
        &[
            Value::Int(1),
            Value::Int(2),
            Value::Int(3),
            Value::Int(4),
            Value::Int(5),
        ],
        "    1|2    |00003|+4| 5",
    );
    same(
        "%+05d|%-05d|% 05d",
        &[Value::Int(3), Value::Int(3), Value::Int(3)],
        "+0003|3    | 0003",
    );
    same(
        "%.5d|%8.5d|%08.5d|%-8.5d|%+.3d",
        &[
            Value::Int(42),
            Value::Int(-42),
            Value::Int(42),
            Value::Int(-42),
            Value::Int(7),
        ],
        "00042|  -00042|00000042|-00042  |+007",
    );
    same(
        "%d %d %d",
        &[
            Value::Int(9223372036854775807),
            Value::Int(-9223372036854775808),
            Value::UInt(18446744073709551615),
        ],
        "9223372036854775807 -9223372036854775808 18446744073709551615",
    );
    same(
        "%d|%d|%d",
        &[Value::Bool(true), Value::Float(3.99), Value::Float(-3.99)],
        "1|3|-3",
    );
    same(
        "%d|%d|%d",
        &[
            Value::Float(-0.0),
            Value::Float(-0.5),
            Value::Float(1.8e+19),
        ],
        "0|0|18000000000000000000",
    );
    same(
        "%x|%X|%o|%#x|%#X|%#o",
        &[
            Value::Int(255),
            Value::Int(255),
            Value::Int(8),
            Value::Int(255),
            Value::Int(255),
            Value::Int(8),
        ],
        "ff|FF|10|0xff|0XFF|0o10",
    );
    same(
        "%x|%#x|%#10x|%#010x|%-#10x|",
        &[
            Value::Int(-255),
            Value::Int(-255),
            Value::Int(-255),
            Value::Int(-255),
            Value::Int(-255),
        ],
        "-ff|-0xff|     -0xff|-0x00000ff|-0xff     |",
    );
    same(
        "%#.6x|%.3o|%x|%o",
        &[Value::Int(255), Value::Int(8), Value::Int(0), Value::Int(0)],
        "0x0000ff|010|0|0",
    );
    same(
        "%x|%o",
        &[
            Value::UInt(18446744073709551615),
            Value::UInt(18446744073709551615),
        ],
        "ffffffffffffffff|1777777777777777777777",
    );
    same("%x %#o", &[Value::Bool(true), Value::Bool(false)], "1 0o0");
    same(
        "%hd %ld %Lx",
        &[Value::Int(1), Value::Int(2), Value::Int(255)],
        "1 2 ff",
    );
    same(
        "%+x|% X|%+o",
        &[Value::Int(10), Value::Int(10), Value::Int(-8)],
        "+a| A|-10",
    );
    same("%0d|%00005d", &[Value::Int(5), Value::Int(5)], "5|00005");
    same("%.0d|%.d", &[Value::Int(0), Value::Int(0)], "0|0");
    same("%#d", &[Value::Int(5)], "5");
}

#[test]
fn floats_by_f_are_as_in_python() {
    same(
        "%f|%f|%f",
        &[Value::Float(1.5), Value::Float(-0.0), Value::Float(0.1)],
        "1.500000|-0.000000|0.100000",
    );
    same(
        "%.0f|%.0f|%.0f|%.0f|%.0f",
        &[
            Value::Float(0.5),
            Value::Float(1.5),
            Value::Float(2.5),
            Value::Float(-0.4),
            Value::Float(99.5),
        ],
        "0|2|2|-0|100",
    );
    same(
        "%.2f|%.2f|%.2f|%.1f",
        &[
            Value::Float(2.675),
            Value::Float(1.005),
            Value::Float(0.125),
            Value::Float(0.25),
        ],
        "2.67|1.00|0.12|0.2",
    );
    same(
        "%.3f|%.20f|%.55f",
        &[Value::Float(0.1), Value::Float(0.1), Value::Float(0.1)],
        "0.100|0.10000000000000000555|0.1000000000000000055511151231257827021181583404541015625",
    );
    same(
        "%f",
        &[Value::Float(1e+22)],
        "10000000000000000000000.000000",
    );
    same(
        "%.1f",
        &[Value::Float(1.7976931348623157e+308)],
        "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878171540458953514382464234321326889464182768467546703537516986049910576551282076245490090389328944075868508455133942304583236903222948165808559332123348274797826204144723168738177180919299881250404026184124858368.0",
    );
    same(
        "%.10f|%.240f",
        &[Value::Float(5e-324), Value::Float(5e-324)],
        "0.0000000000|0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    );
    same(
        "%f|%F|%f|%F|%f",
        &[
            Value::Float(f64::INFINITY),
            Value::Float(f64::INFINITY),
            Value::Float(f64::NEG_INFINITY),
            Value::Float(f64::NAN),
            Value::Float(f64::NAN),
        ],
        "inf|INF|-inf|NAN|nan",
    );
    same(
        "%010f|%010f|%+f|% f|%+f|%-8f|",
        &[
            Value::Float(f64::INFINITY),
            Value::Float(f64::NEG_INFINITY),
            Value::Float(f64::INFINITY),
            Value::Float(f64::NAN),
            Value::Float(f64::NAN),
            Value::Float(f64::NAN),
        ],
        "0000000inf|-000000inf|+inf| nan|+nan|nan     |",
    );
    same(
        "%+.1f|% .1f|%08.2f|%-8.2f|%+08.2f",
        &[
            Value::Float(2.0),
            Value::Float(2.0),
            Value::Float(-2.5),
            Value::Float(2.5),
            Value::Float(2.5),
        ],
        "+2.0| 2.0|-0002.50|2.50    |+0002.50",
    );
    same(
        "%#.0f|%.0f|%.f",
        &[Value::Float(3.0), Value::Float(3.0), Value::Float(3.7)],
        "3.|3|4",
    );
    same(
        "%f|%f|%.1f",
        &[
            Value::Int(7),
            Value::Bool(true),
            Value::UInt(18446744073709551615),
        ],
        "7.000000|1.000000|18446744073709551616.0",
    );
    same(
        "%.0f|%.1f",
        &[
            Value::Int(9007199254740993),
            Value::Int(-9223372036854775808),
        ],
        "9007199254740992|-9223372036854775808.0",
    );
    same(
        "%.2f|%.1f|%.0f",
        &[
            Value::Float(9.999),
            Value::Float(99.95),
            Value::Float(999.5),
        ],
        "10.00|100.0|1000",
    );
    same(
        "%.250f",
        &[Value::Float(0.3333333333333333)],
        "0.3333333333333333148296162562473909929394721984863281250000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    );
}

#[test]
fn floats_by_e_and_g_are_as_in_python() {
    same(
        "%e|%E|%.0e|%#.0e",
        &[
            Value::Float(1.5),
            Value::Float(1e-07),
            Value::Float(1.5),
            Value::Float(2.5),
        ],
        "1.500000e+00|1.000000E-07|2e+00|2.e+00",
    );
    same(
        "%e|%.3e|%.1e",
        &[Value::Float(0.0), Value::Float(-0.0), Value::Float(9.96)],
        "0.000000e+00|-0.000e+00|1.0e+01",
    );
    same(
        "%e|%e|%.16e",
        &[
            Value::Float(5e-324),
            Value::Float(1.7976931348623157e+308),
            Value::Float(0.1),
        ],
        "4.940656e-324|1.797693e+308|1.0000000000000001e-01",
    );
    same(
        "%e|%E|%g|%G",
        &[
            Value::Float(f64::INFINITY),
            Value::Float(f64::NAN),
            Value::Float(f64::NEG_INFINITY),
            Value::Float(f64::NAN),
        ],
        "inf|NAN|-inf|NAN",
    );
    same(
        "%g|%g|%g|%g",
        &[
            Value::Float(0.0001),
            Value::Float(1e-05),
            Value::Float(100000.0),
            Value::Float(1000000.0),
        ],
        "0.0001|1e-05|100000|1e+06",
    );
    same(
        "%g|%g|%g|%G",
        &[
            Value::Float(1e-07),
            Value::Float(1e+22),
            Value::Float(123456789.0),
            Value::Float(1e-07),
        ],
        "1e-07|1e+22|1.23457e+08|1E-07",
    );
    same(
        "%.3g|%.10g|%.0g|%.1g",
        &[
            Value::Float(1234.5),
            Value::Float(1234.5),
            Value::Float(1234.5),
            Value::Float(0.95),
        ],
        "1.23e+03|1234.5|1e+03|0.9",
    );
    same(
        "%#g|%#g|%#.3g|%#.0g",
        &[
            Value::Float(1.0),
            Value::Float(0.0),
            Value::Float(1000.0),
            Value::Float(2.0),
        ],
        "1.00000|0.00000|1.00e+03|2.",
    );
    same(
        "%g|%g|%g",
        &[Value::Float(0.0), Value::Float(-0.0), Value::Float(100.0)],
        "0|-0|100",
    );
    same(
        "%g|%g|%g",
        &[
            Value::Float(999999.5),
            Value::Float(9999995.0),
            Value::Float(0.00099999995),
        ],
        "1e+06|1e+07|0.001",
    );
    same(
        "%.17g|%.25g|%.250g",
        &[Value::Float(0.1), Value::Float(0.1), Value::Float(0.1)],
        "0.10000000000000001|0.1000000000000000055511151|0.1000000000000000055511151231257827021181583404541015625",
    );
    same(
        "%010g|%+g|% g|%-10g|",
        &[
            Value::Float(1.5),
            Value::Float(1.5),
            Value::Float(1.5),
            Value::Float(1.5),
        ],
        "00000001.5|+1.5| 1.5|1.5       |",
    );
    same(
        "%g %e",
        &[Value::Int(1000000000000000), Value::Bool(true)],
        "1e+15 1.000000e+00",
    );
}

/// Digits as the formatter of the standard library has them, which rounds exactly too.
#[test]
fn floats_of_all_sizes_are_rounded_exactly() {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2000 {
        bits = bits.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        let mixed = bits ^ bits >> 29;
        let any = f64::from_bits(mixed);
        let near = (mixed >> 40) as f64 / 1024.0;
        for number in [any, near].into_iter().filter(|number| number.is_finite()) {
            let precision = (mixed % 60) as usize;
            let event = format!("%.{precision}f");
            same(
                &event,
                &[Value::Float(number)],
                &format!("{number:.precision$}"),
            );
            let event = format!("%.{precision}e");
            let expected = format!("{number:.precision$e}");
            let (digits, exponent) = expected.split_once('e').unwrap();
            let exponent: i32 = exponent.parse().unwrap();
            let expected = format!(
                "{digits}e{}{:02}",
                if exponent < 0 { '-' } else { '+' },
                exponent.abs()
            );
            same(&event, &[Value::Float(number)], &expected);
        }
    }
}
