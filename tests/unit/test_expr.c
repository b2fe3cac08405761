/* Expressions: what they evaluate to, what is refused and where, limits, references. */
#include "tests/unit/expr_env.h"

#include <stdio.h>

#include "engine/core/expr_private.h"

static const char world_text[] =
    "{'steps':{'a':{'n':12,'text':'gr\xc3\xbc\xc3\x9f','none':null,'list':[3,1,2],"
    "'objects':[{'n':2,'s':'b'},{'n':1,'s':'a'}]},'Manager Approval':{'approved':true}},"
    "'trigger':{'amount':10001.5},'x':5,'s':'h\xc3\xa9llo','type':'invoice','yes':true}";

#define CHECK(cases)                                                                               \
	do {                                                                                       \
		struct world w;                                                                    \
		(void)state;                                                                       \
		world_init(&w, world_text);                                                        \
		world_check(&w, cases, MR_ARRAY_LEN(cases));                                       \
		world_done(&w);                                                                    \
	} while (0)

static void literals(void **state)
{
	static const struct eval_case cases[] = {
		{ "1", "1" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "9223372036854775807", "9223372036854775807" },
		{ "0x1F", "31" },
		{ "-0xA", "-10" },
		{ "18446744073709551615u", "18446744073709551615" },
		{ "0xFFu", "255" },
		{ "1.5", "1.5" },
		{ ".5", "0.5" },
		{ "1e3", "1000.0" },
		{ "1.5e-3", "0.0015" },
		{ "true", "true" },
		{ "null", "null" },
		{ "'a\"b'", "\"a\\\"b\"" },
		{ "\"\\x41\\u00e9\\U0001F600\\101\\n\\t\\\\\\'\\\"\\?\\`\"",
		    "\"A\xc3\xa9\xf0\x9f\x98\x80"
		    "A\\n\\t\\\\'\\\"?`\"" },
		{ "r'\\n'", "\"\\\\n\"" },
		{ "'''a\n'b'''", "\"a\\n'b\"" },
		{ "\"\"\"a\"\"b\"\"\"", "\"a\\\"\\\"b\"" },
		{ "b'\\xff\\000'", "\"/wA=\"" },
		{ "br'\\x'", "\"XHg=\"" },
		{ "[1, 2,]", "[1,2]" },
		{ "[]", "[]" },
		{ "{}", "{}" },
		{ "{'a': 1, 2: [3], true: {},}", "{\"a\":1,\"2\":[3],\"true\":{}}" },
		{ "// first\n1 // last", "1" },
		{ " \t\r\n\f1", "1" },
		{ "int", "\"int\"" },
		{ "google.protobuf.Timestamp", "\"google.protobuf.Timestamp\"" },
	};

	CHECK(cases);
}

static void operators(void **state)
{
	static const struct eval_case cases[] = {
		{ "1 + 2 * 3 - 4", "3" },
		{ "(1 + 2) * 3", "9" },
		{ "7 / 2", "3" },
		{ "-7 / 2", "-3" },
		{ "-7 % 3", "-1" },
		{ "7 / 2.0", "3.5" },
		{ "1 + 1.5", "2.5" },
		{ "2u * 1.5", "3.0" },
		{ "2u + 3u", "5" },
		{ "--x", "5" },
		{ "!!yes", "true" },
		{ "-x * 2", "-10" },
		{ "'a' + 'b'", "\"ab\"" },
		{ "b'a' + b'b'", "\"YWI=\"" },
		{ "[1] + [2]", "[1,2]" },
		{ "9223372036854775807 + 1", "! integer overflow" },
		{ "-9223372036854775808 - 1", "! integer overflow" },
		{ "9223372036854775807 * 2", "! integer overflow" },
		{ "-9223372036854775808 / -1", "! integer overflow" },
		{ "-(-9223372036854775808)", "! integer overflow" },
		{ "1u - 2u", "! unsigned integer overflow" },
		{ "1 / 0", "! division by zero" },
		{ "1 % 0", "! modulus by zero" },
		{ "1.0 / 0", "\"Infinity\"" },
		{ "1 + 1u", "! no such overload: int + uint" },
		{ "1 + 'a'", "! no such overload: int + string" },
		{ "1.5 % 2", "! no such overload: double % int" },
		{ "-'a'", "! no such overload: -string" },
		{ "!1", "! no such overload: !(int)" },
		{ "1 == 1.0 && 1u == 1", "true" },
		{ "1 < 1.5 && 2u > 1 && 1.5 <= 2u", "true" },
		{ "'a' < 'b' && b'a' < b'b' && false < true", "true" },
		{ "'a' == 1", "false" },
		{ "null == null", "true" },
		{ "[1, 2.0] == [1.0, 2]", "true" },
		{ "{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", "true" },
		{ "double('NaN') == double('NaN')", "false" },
		{ "'a' < 1", "! no such overload: string compared with int" },
		{ "1 in [1, 2] && 'a' in {'a': 1} && !(3 in [1])", "true" },
		{ "1 in 2", "! no such overload: int in int" },
		{ "yes ? 1 : 2", "1" },
		{ "yes ? !yes ? 1 : 2 : 3", "2" },
		{ "!yes ? 1 : yes ? 2 : 3", "2" },
		{ "x ? 1 : 2", "! no such overload: int where a bool is needed" },
		{ "{yes ? 'a' : 'b': 1}", "{\"a\":1}" },
		{ "{1.5: 1}", "! a value of type double can't be the key of a map" },
		{ "{'a': 1, 'a': 2}", "! the key a stands twice in the map" },
	};

	CHECK(cases);
}

static void absorption(void **state)
{
	static const struct eval_case cases[] = {
		{ "true || 1/0 > 1", "true" },
		{ "1/0 > 1 || true", "true" },
		{ "1/0 > 1 || false", "! division by zero" },
		{ "false || 1/0 > 1", "! division by zero" },
		{ "false && 1/0 > 1", "false" },
		{ "1/0 > 1 && false", "false" },
		{ "1/0 > 1 && true", "! division by zero" },
		{ "1 || true", "true" },
		{ "1 || false", "! no such overload: int where a bool is needed" },
		{ "steps.no.n > 1 || yes", "true" },
		{ "steps.no.n > 1 || missing > 2", "! steps.no: no such value" },
		{ "(1/0 > 1 || 1/0 > 2) && false || true", "true" },
		{ "[0, 2].exists(i, 4 / i == 2)", "true" },
		{ "[0, 2].all(i, 4 / i == 3)", "false" },
		{ "[0, 2].all(i, 4 / i == 2)", "! division by zero" },
		{ "[2, 1].exists_one(i, 1 / (i - 1) > 0)", "! division by zero" },
		{ "[1, 'a'].exists(i, i > 5) ?? 1",
		    "! no such overload: string compared with int" },
	};

	CHECK(cases);
}

static void coalescing(void **state)
{
	static const struct eval_case cases[] = {
		{ "missing ?? 1", "1" },
		{ "steps.b.n ?? steps.a.none ?? 'd'", "\"d\"" },
		{ "steps.a.none.deeper ?? 1", "1" },
		{ "null ?? null", "null" },
		{ "steps.a.list[7] ?? 0", "0" },
		{ "steps.a['q'] ?? 0", "0" },
		{ "{1: 2}[3] ?? 4", "4" },
		{ "x ?? missing", "5" },
		{ "1/0 ?? 2", "! division by zero" },
		{ "x.y ?? 2", "! a value of type int has no members, so no \"y\"" },
		{ "missing ?? other", "! other: no such value" },
		{ "false || missing ?? true", "true" },
		{ "missing ?? false ? 1 : 2", "2" },
		{ "(missing ?? 2) * 3", "6" },
		{ "[missing ?? 1, missing ?? 2]", "[1,2]" },
	};

	CHECK(cases);
}

static void members(void **state)
{
	static const struct eval_case cases[] = {
		{ "steps.a.n > 10", "true" },
		{ "steps['Manager Approval'].approved", "true" },
		{ "steps.`Manager Approval`.approved", "true" },
		{ "steps.a.list[0] + steps.a.list[1u] + steps.a.list[2.0]", "6" },
		{ "steps.a.objects[0].s", "\"b\"" },
		{ "type", "\"invoice\"" }, /* the environment's before CEL's */
		{ ".x", "5" },
		{ "[1].map(x, .x + x)", "[6]" },
		{ "has(steps.a.n) && !has(steps.a.q) && !has(steps.a.none.q)", "true" },
		{ "has(steps.b.n)", "! steps.b: no such value" },
		{ "has(steps.a['n'])", "true" },
		{ "has(x)", "! has() takes a member, like has(a.b)" },
		{ "has(x.y)", "! no such overload: has(int)" },
		{ "steps.b.n", "! steps.b: no such value" },
		{ "steps.a.content", "! steps.a.content: no such value" },
		{ "(steps.a).content", "! steps.a.content: no such value" },
		{ "steps['no such'].n", "! steps.no such: no such value" },
		{ "steps.a.none.q", "! steps.a.none.q: no such value" },
		{ "steps.a.list[3]", "! steps.a.list[3]: no such value" },
		{ "steps.a.list[x]", "! steps.a.list[5]: no such value" },
		{ "steps.a.list[-1]", "! steps.a.list[-1]: no such value" },
		{ "steps.a[s]", "! steps.a.h\xc3\xa9llo: no such value" },
		{ "steps.a.objects.map(o, o.q)", "! o.q: no such value" },
		{ "steps.a.objects.map(o, steps.a[o.s].q)", "! steps.a.b: no such value" },
		{ "{'a': 1}.b", "! b: no such value" },
		{ "nothing", "! nothing: no such value" },
		{ "steps.a.list.n", "! a value of type list has no members, so no \"n\"" },
		{ "x[0]", "! no such overload: int[int]" },
		{ "steps.a.list['a']", "! a value of type list has no members, so no \"a\"" },
		{ "steps.a.list[0.5]", "! a list has no item at a fraction" },
		{ "broken.x", "! the store is away" },
		{ "broken.x ?? 1", "! the store is away" },
		{ "broken || true", "! the store is away" },
	};

	CHECK(cases);
}

static void macros(void **state)
{
	static const struct eval_case cases[] = {
		{ "steps.a.list.map(i, i * 2)", "[6,2,4]" },
		{ "steps.a.list.map(i, i > 1, i * 2)", "[6,4]" },
		{ "steps.a.list.filter(i, i > 1)", "[3,2]" },
		{ "{'a': 1, 'b': 2}.filter(k, k > 'a')", "[\"b\"]" },
		{ "steps.a.list.all(i, i > 0) && !steps.a.list.all(i, i > 1)", "true" },
		{ "[].all(i, false) && ![].exists(i, true)", "true" },
		{ "[1, 2].exists_one(i, i == 2) && ![2, 2].existsOne(i, i == 2)", "true" },
		{ "[1, 2].map(i, [10, 20].map(j, i * j))", "[[10,20],[20,40]]" },
		{ "[1, 2].map(i, [i].map(i, i + 1))", "[[2],[3]]" },
		{ "[5, 6].all(i, v, v - i == 5)", "true" },
		{ "{'a': 'a'}.exists(k, v, k == v)", "true" },
		{ "[5, 6].transformList(i, v, i * v)", "[0,6]" },
		{ "[5, 6].transformList(i, v, i > 0, v)", "[6]" },
		{ "{'a': 1}.transformMap(k, v, k + string(v))", "{\"a\":\"a1\"}" },
		{ "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v)", "{\"b\":2}" },
		{ "['a', 'b'].transformMapEntry(i, v, {v: i})", "{\"a\":0,\"b\":1}" },
		{ "['a', 'b'].transformMapEntry(i, v, {v: i, v + v: i, v + '3': 1})",
		    "{\"a\":0,\"aa\":0,\"a3\":1,\"b\":1,\"bb\":1,\"b3\":1}" },
		{ "['a', 'a'].transformMapEntry(i, v, {v: i})",
		    "! the key a stands twice in the map" },
		{ "cel.bind(v, x * 2, v + v)", "20" },
		{ "cel.bind(v, 1, cel.bind(w, v + 1, [v, w]))", "[1,2]" },
		{ "cel.bind(x, 1, x) + x", "6" },
		{ "1.map(i, i)", "! no such overload: a list or map is needed, not int" },
		{ "[1].filter(i, i)", "! no such overload: int where a bool is needed" },
		{ "[1].map(1, 2)", "! map() begins with the name of a variable and a comma" },
		{ "[1].transformMap(i, 2)",
		    "! transformMap() begins with the names of two variables" },
		{ "[1].all(i, i, true)", "! both variables have one name" },
		{ "[1].filter(i, true, 1)", "! too many arguments" },
		{ "[1].map(i, true, 1, 2)", "! too many arguments" },
		{ "cel.bind(1, 2, 3)", "! cel.bind() begins with the name of a variable" },
		{ "cel.bind(v, 2)", "! unexpected ')'" },
	};

	CHECK(cases);
}

static void strings(void **state)
{
	static const struct eval_case cases[] = {
		{ "size(s) == 5 && s.size() == 5", "true" },
		{ "s.contains('\xc3\xa9') && s.startsWith('h') && s.endsWith('lo')", "true" },
		{ "s.charAt(1) + s.charAt(5)", "\"\xc3\xa9\"" },
		{ "s.charAt(6)", "! index 6 is out of the string's range" },
		{ "s.substring(1) + s.substring(0, 1)", "\"\xc3\xa9lloh\"" },
		{ "s.substring(3, 2)", "! substring(3, 2) is out of the string's range" },
		{ "[s.indexOf('l'), s.indexOf('l', 3), s.indexOf('z'), s.indexOf('')]",
		    "[2,3,-1,0]" },
		{ "[s.lastIndexOf('l'), s.lastIndexOf('l', 2), s.lastIndexOf('')]", "[3,2,5]" },
		{ "s.indexOf('a', 9)", "! index 9 is out of the string's range" },
		{ "'aBc\xc3\x84'.lowerAscii() + 'aBc\xc3\xa4'.upperAscii()", "\"abc\xc3\x84"
		                                                             "ABC\xc3\xa4\"" },
		{ "'\\u2003 a \\n'.trim()", "\"a\"" },
		{ "'  '.trim()", "\"\"" },
		{ "s.reverse()", "\"oll\xc3\xa9h\"" },
		{ "'a,b,,c'.split(',')", "[\"a\",\"b\",\"\",\"c\"]" },
		{ "'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]" },
		{ "'a,b'.split(',', 0)", "[]" },
		{ "s.split('')", "[\"h\",\"\xc3\xa9\",\"l\",\"l\",\"o\"]" },
		{ "['a', 'b'].join() + ['a', 'b'].join(', ')", "\"aba, b\"" },
		{ "[1].join()",
		    "! join() takes a list of strings, this one holds a value of type int" },
		{ "'aaa'.replace('a', 'b') + 'aaa'.replace('a', 'b', 2)", "\"bbbbba\"" },
		{ "'\xc3\xa4"
		  "b'.replace('', '-')",
		    "\"-\xc3\xa4-b-\"" },
		{ "strings.quote('a\"\\n')", "\"\\\"a\\\\\\\"\\\\n\\\"\"" },
		{ "'%s|%d|%.2f|%e|%x|%X|%o|%b|%%'.format(['a', 5, 1.005, 1200.0, 255, 'hi', 8, 5])",
		    "\"a|5|1.00|1.200000e+03|ff|6869|10|101|%\"" },
		{ "'%s'.format([[1, {'b': b'x', 'a': null}, 1.0]])",
		    "\"[1, {a: null, b: x}, 1]\"" },
		{ "'%d'.format(['a'])", "! %d can't format a value of type string" },
		{ "'%s'.format([])", "! format() has only 0 arguments" },
		{ "'%y'.format([1])", "! %y is no format" },
		{ "base64.encode(b'hello') + string(base64.decode('aGVsbG8'))",
		    "\"aGVsbG8=hello\"" },
		{ "base64.decode('=a==')", "! the text is not valid base64" },
		{ "'abc'.matches('^a.c$') && matches('xabcx', 'abc') && !'abc'.matches('^b')",
		    "true" },
		{ "'abc'.matches(s + '|b')", "true" },
		{ "'abc'.matches('(')",
		    "! the pattern is wrong at 1: missing closing parenthesis" },
		{ "'abc'.matches('(' + '')",
		    "! the pattern is wrong at 1: missing closing parenthesis" },
		{ "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^(a+)+$')",
		    "! the evaluation costs too much" },
		{ "'a'.matches('a{1001}')",
		    "! the pattern is wrong at 1: repeats more than 1000 times" },
		{ "'a'.matches(r'(a)\\1')",
		    "! the pattern is wrong at 0: references back to a group" },
		{ "'a{5'.matches('^a{5$') && 'aaa'.matches('^a{2,3}$')", "true" },
		{ "1.contains('a')", "! no such overload: contains(int, string)" },
	};

	CHECK(cases);
}

static void conversions(void **state)
{
	static const struct eval_case cases[] = {
		{ "[int('-5'), int(5u), int(-2.9), int(timestamp('1970-01-01T00:01:00Z'))]",
		    "[-5,5,-2,60]" },
		{ "int('5x')", "! \"5x\" is no int" },
		{ "int(1e19)", "! the value is beyond the range of int" },
		{ "int(18446744073709551615u)", "! the value is beyond the range of int" },
		{ "[uint('5'), uint(5), uint(2.9)]", "[5,5,2]" },
		{ "uint(-1)", "! the value is beyond the range of uint" },
		{ "[double('1.5'), double(1), double('-inf'), double('NaN')]",
		    "[1.5,1.0,\"-Infinity\",\"NaN\"]" },
		{ "double('1.5x')", "! \"1.5x\" is no double" },
		{ "[string(1), string(1u), string(1.0), string(1.5), string(true), string(b'a')]",
		    "[\"1\",\"1\",\"1\",\"1.5\",\"true\",\"a\"]" },
		{ "string(b'\\xff')", "! the bytes are not valid UTF-8" },
		{ "[bool('true'), bool('0'), bool(true)]", "[true,false,true]" },
		{ "bool('maybe')", "! \"maybe\" is no bool" },
		{ "bytes('\xc3\xa9')", "\"w6k=\"" },
		{ "dyn(1)", "1" },
		{ "type(1) == int && type(1u) == uint && type('') == string && type(null) == "
		  "null_type",
		    "true" },
		{ "type(type(1)) == type(int)", "true" },
		{ "type([]) == list && type({}) == map && type(b'') == bytes", "true" },
		{ "string([1])", "! no such overload: string(list)" },
		{ "size(1)", "! no such overload: size(int)" },
		{ "size([1, 2]) + size({'a': 1}) + size(b'abc')", "6" },
	};

	CHECK(cases);
}

static void times(void **state)
{
	static const struct eval_case cases[] = {
		{ "now()", "\"2025-06-15T15:06:40.123456Z\"" },
		{ "timestamp('2024-02-29T23:00:00+02:00') + duration('1h30m')",
		    "\"2024-02-29T22:30:00Z\"" },
		{ "timestamp('2024-03-01T00:00:00Z') - timestamp('2024-02-29T00:00:00Z')",
		    "\"86400s\"" },
		{ "timestamp('2024-03-01T00:00:00Z') - duration('1s')",
		    "\"2024-02-29T23:59:59Z\"" },
		{ "duration('1.5s') + duration('-250ms') - duration('1us')", "\"1.249999s\"" },
		{ "-duration('1m')", "\"-60s\"" },
		{ "duration(90)", "\"90s\"" },
		{ "duration('x')", "! \"x\" is no duration (1h30m, 2.5s, 250ms)" },
		{ "duration('')", "! \"\" is no duration (1h30m, 2.5s, 250ms)" },
		{ "duration('1h') < duration('61m')", "true" },
		{ "timestamp('2024-13-01T00:00:00Z')",
		    "! \"2024-13-01T00:00:00Z\" is no timestamp (2025-01-31T12:00:00Z)" },
		{ "timestamp(0)", "\"1970-01-01T00:00:00Z\"" },
		{ "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
		    "! timestamp out of range" },
		{ "timestamp(0) + timestamp(0)", "! no such overload: timestamp + timestamp" },
		{ "cel.bind(t, timestamp('2024-12-31T23:59:58.007Z'), [t.getFullYear(), "
		  "t.getMonth(), "
		  "t.getDate(), t.getDayOfMonth(), t.getDayOfWeek(), t.getDayOfYear(), "
		  "t.getHours(), "
		  "t.getMinutes(), t.getSeconds(), t.getMilliseconds()])",
		    "[2024,11,31,30,2,365,23,59,58,7]" },
		{ "timestamp('2024-01-01T00:30:00Z').getHours('-01:00')", "23" },
		{ "timestamp('2024-01-01T00:30:00Z').getFullYear('-01:00')", "2023" },
		{ "timestamp('2024-01-01T00:30:00Z').getHours('+05:45')", "6" },
		{ "timestamp('2024-01-01T00:30:00Z').getHours('Mars/Olympus')",
		    "! \"Mars/Olympus\" is no time zone; give a name like Europe/Berlin or an "
		    "offset like +02:00" },
		{ "[duration('90m').getHours(), duration('90m').getMinutes(), "
		  "duration('1.5s').getMilliseconds()]",
		    "[1,90,500]" },
		{ "string(timestamp(1)) + string(duration('1m'))", "\"1970-01-01T00:00:01Z60s\"" },
		{ "timestamp('1600-02-29T00:00:00Z').getDayOfYear()", "59" },
		{ "timestamp('0001-01-01T00:00:00Z').getDayOfWeek()", "1" },
	};

	CHECK(cases);
}

static void numbers_and_lists(void **state)
{
	static const struct eval_case cases[] = {
		{ "[math.greatest(1, 2.5, 2u), math.least([3, 1, 2]), math.greatest(7)]",
		    "[2.5,1,7]" },
		{ "math.greatest('a')", "! no such overload: math.greatest(string)" },
		{ "math.least([])", "! math.least() of an empty list" },
		{ "[math.ceil(1.2), math.floor(-1.2), math.round(2.5), math.trunc(-1.7)]",
		    "[2.0,-2.0,3.0,-1.0]" },
		{ "math.ceil(3)", "! no such overload: math.ceil(int)" },
		{ "[math.abs(-1), math.abs(-1.5), math.sign(-3), math.sign(0.0), math.sqrt(16)]",
		    "[1,1.5,-1,0.0,4.0]" },
		{ "math.abs(-9223372036854775808)", "! integer overflow" },
		{ "[math.bitAnd(6, 3), math.bitOr(6, 3), math.bitXor(6, 3), math.bitNot(0)]",
		    "[2,7,5,-1]" },
		{ "[math.bitShiftLeft(1, 3), math.bitShiftRight(-1, 63), math.bitShiftLeft(1, 64)]",
		    "[8,1,0]" },
		{ "math.bitShiftLeft(1, -1)", "! math.bitShiftLeft() by a negative number" },
		{ "[math.bitAnd(6u, 3u), math.bitNot(0u), math.abs(3u), math.sign(3u), "
		  "math.sqrt(9u)]",
		    "[2,18446744073709551615,3,1,3.0]" },
		{ "math.sign(0.0 / 0.0)", "\"NaN\"" },
		{ "[math.isNaN(0.0/0.0), math.isInf(1.0/0.0), math.isFinite(1.0)]",
		    "[true,true,true]" },
		{ "[3, 1, 2].sort() + ['b', 'a'].sort()", "[1,2,3,\"a\",\"b\"]" },
		{ "[1, 'a'].sort()", "! no such overload: int compared with string" },
		{ "[[1]].sort()", "! no such overload: list compared with list" },
		{ "steps.a.objects.sortBy(o, o.n).map(o, o.s)", "[\"a\",\"b\"]" },
		{ "[1, 2, 3, 4].slice(1, 3)", "[2,3]" },
		{ "[1].slice(0, 2)", "! slice() from 0 to 2 of a list of 1" },
		{ "[1, 1.0, 2, 'a', 'a', [1], [1]].distinct()", "[1,2,\"a\",[1]]" },
		{ "[[1, [2]], 3].flatten()", "[1,[2],3]" },
		{ "[[1, [2, [3]]], 4].flatten(2)", "[1,2,[3],4]" },
		{ "[1, 2].reverse()", "[2,1]" },
		{ "lists.range(3)", "[0,1,2]" },
		{ "lists.range(-1)", "! lists.range() takes 0 to 1000000" },
	};

	CHECK(cases);
}

/* Every function of the table, called with null for all arguments: refused by type, but for those
 * that take anything. */
static void wrong_types(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "{}");
	for (size_t i = 0; i < mr_expr_fns_len; i++) {
		const struct mr_expr_fn_row *f = &mr_expr_fns[i];

		for (unsigned n = f->min; n <= f->max && n < 5; n++) {
			struct mr_str got;
			struct mr_buf b;

			mr_buf_init(&b, 200);
			mr_buf_addf(&b, "%s%s(", f->is_method ? "null." : "", f->name);
			for (unsigned arg = f->is_method; arg < n; arg++)
				mr_buf_addf(&b, "%snull", arg > (unsigned)f->is_method ? "," : "");
			mr_buf_addc(&b, ')');
			got = world_eval(&w, b.p);
			if (!mr_str_starts(got, MR_STR("! no such overload: ")) &&
			    strcmp(f->name, "dyn") != 0 && strcmp(f->name, "type") != 0 &&
			    strcmp(f->name, "now") != 0)
				fail_msg("%s gave %.*s", b.p, MR_STR_ARG(got));
			mr_buf_done(&b);
		}
	}
	world_done(&w);
}

/* What is refused when it is compiled: the message and the position, in code points. */
static void refused(void **state)
{
	static const struct {
		const char *source, *message;
		size_t offset, line, column;
	} cases[] = {
		{ "", "the expression ends where a value should be", 0, 1, 1 },
		{ "1 +", "the expression ends where a value should be", 3, 1, 4 },
		{ "1 2", "unexpected '2'", 2, 1, 3 },
		{ "1 +\n +", "unexpected '+'", 5, 2, 2 },
		{ "'\xc3\xa9\xe2\x82\xac' ) 1", "unexpected ')'", 5, 1, 6 },
		{ "(1", "a bracket is not closed", 0, 1, 1 },
		{ "[1, 2", "a bracket is not closed", 0, 1, 1 },
		{ "f(1", "a bracket is not closed", 0, 1, 1 },
		{ "(1]", "unexpected ']'", 2, 1, 3 },
		{ "1 ? 2", "? has no :", 2, 1, 3 },
		{ "1 : 2", "unexpected ':'", 2, 1, 3 },
		{ "{1}", "unexpected '}'", 2, 1, 3 },
		{ "{1: 2, 3}", "unexpected '}'", 8, 1, 9 },
		{ "[,]", "unexpected ','", 1, 1, 2 },
		{ "size(1,)", "unexpected ')'", 7, 1, 8 },
		{ "a.", "a member's name should follow the point", 2, 1, 3 },
		{ "a.1", "a member's name should follow the point", 2, 1, 3 },
		{ "a = 1", "'=' alone; equality is written ==", 2, 1, 3 },
		{ "a & b", "'&' alone; write &&", 2, 1, 3 },
		{ "a # b", "unexpected '#'", 2, 1, 3 },
		{ "'abc", "the string has no end", 0, 1, 1 },
		{ "'a\nb'", "a line ends inside a string; use three quotes for that", 2, 1, 3 },
		{ "'\\q'", "not an escape", 1, 1, 2 },
		{ "'\\ud800'", "not a code point", 1, 1, 2 },
		{ "9223372036854775808", "the number is beyond the range of an int (64 bits)", 0, 1,
		    1 },
		{ "99999999999999999999", "the number is beyond 64 bits", 0, 1, 1 },
		{ "1e999", "the number is beyond the range of a double", 0, 1, 1 },
		{ "12ab", "a letter right after a number", 2, 1, 3 },
		{ "0x", "a hexadecimal digit is missing", 2, 1, 3 },
		{ "in", "unexpected 'in'", 0, 1, 1 },
		{ "{{x}}", "unexpected '}'", 3, 1, 4 },
		{ "\xff", "the text is not valid UTF-8", 0, 1, 1 },
	};
	struct mr_arena *a = mr_arena_create(16u << 20);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_expr_error err = { .line = 0 };
		const struct mr_expr *e;
		int r = mr_expr_compile(a, mr_str(cases[i].source), &e, &err);

		if (r != MR_E_INVALID || strcmp(err.message, cases[i].message) != 0 ||
		    err.offset != cases[i].offset || err.line != cases[i].line ||
		    err.column != cases[i].column)
			fail_msg("%s gave %d \"%s\" at %zu (%zu:%zu)", cases[i].source, r,
			    err.message, err.offset, err.line, err.column);
	}
	a = mr_arena_free(a);
}

/* Where definitions are read, an unknown function is refused at once; alone it fails when called.
 */
static void unknown_functions(void **state)
{
	static const struct {
		const char *source, *message;
		size_t column;
	} cases[] = {
		{ "nope(1)", "there is no function nope()", 1 },
		{ "1 + 'x'.nope(1)", "there is no method nope()", 9 },
		{ "'a'.substring()", "substring() takes 1 to 2 arguments, not 0", 5 },
		{ "size()", "size() takes 1 argument, not 0", 1 },
		{ "false || nope(1) == 2", "there is no function nope()", 10 },
	};
	struct world w;

	(void)state;
	world_init(&w, "{}");
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_expr_error err = { .line = 0 };
		struct mr_value source = mr_value_strz(cases[i].source), v;
		const struct mr_expr *e;

		assert_int_equal(mr_condition_compile(w.arena, &source, &e, &err), MR_E_INVALID);
		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(err.column, cases[i].column);
		err = (struct mr_expr_error){ .line = 0 };
		assert_int_equal(mr_expr_compile(w.arena, source.s, &e, &err), 0);
		assert_int_equal(mr_expr_eval(e, &w.env, w.arena, &v, &err), MR_E_INVALID);
		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(err.column, cases[i].column);
	}
	assert_true(mr_str_eqz(world_eval(&w, "nope(1) || true"), "true"));
	assert_true(mr_str_eqz(world_eval(&w, "[1].exists(x, x.nope() || x == 1)"), "true"));
	world_done(&w);
}

/* A name of the environment may have points in it; a name without them goes first. */
static void names_with_points(void **state)
{
	static const struct eval_case cases[] = {
		{ "a.b.c", "1" },
		{ "a.b.c.d", "! a value of type int has no members, so no \"d\"" },
		{ "p.q.r", "'deep'" },
		{ "p.q.r + p.q.r", "'deepdeep'" },
		{ "p.q.z ?? 2", "2" },
		{ "p.z", "! p: no such value" },
		{ "m.n", "! m.n: no such value" },
		{ "(true ? x : p).q", "! x: no such value" },
		{ "(false ? x : p).q", "! p: no such value" },
		{ "p.q == {'r': 'deep'}", "true" },
		{ "[1].map(p, p)", "[1]" },
		{ "a.b.c.d.e ?? 1", "! a value of type int has no members, so no \"d\"" },
	};
	struct world w;

	(void)state;
	world_init(&w, "{'a.b': {'c': 2}, 'a.b.c': 1, 'p.q': {'r': 'deep'}, 'm': {}, 'm.n': 1}");
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str got = world_eval(&w, cases[i].source);

		if (!mr_str_eq(got, unquote(w.arena, cases[i].want)))
			fail_msg("%s gave %.*s", cases[i].source, MR_STR_ARG(got));
	}
	world_done(&w);
}

static struct mr_str repeat(
    struct mr_arena *a, const char *before, const char *middle, const char *after, size_t n)
{
	struct mr_str s = MR_STR_NONE;
	struct mr_buf b;

	mr_buf_init(&b, 10u << 20);
	for (size_t i = 0; i < n; i++)
		mr_buf_addz(&b, before);
	mr_buf_addz(&b, middle);
	for (size_t i = 0; i < n; i++)
		mr_buf_addz(&b, after);
	s = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return s;
}

/* Hostile sizes end in an answer, not in a deep stack. */
static void limits(void **state)
{
	static const struct {
		const char *before, *middle, *after;
		size_t n;
		int want;
	} cases[] = {
		{ "(", "1", ")", 200, 0 },
		{ "(", "1", ")", 201, MR_E_LIMIT },
		{ "[", "1", "]", 30000, MR_E_LIMIT },
		{ "{1:", "1", "}", 1000, MR_E_LIMIT },
		{ "x.y[", "1", "]", 1000, MR_E_LIMIT },
		{ "size(", "1", ")", 1000, MR_E_LIMIT },
		{ "-", "x", "", 1000, 0 },
		{ "!", "x", "", 1001, MR_E_LIMIT },
		{ "true ? 1 : ", "1", "", 999, 0 },
		{ "true ? 1 : ", "1", "", 5000, MR_E_LIMIT },
		{ "1 + ", "1", "", 10000, 0 },
		{ "1 ?? ", "1", "", 500, 0 },
		{ "", "x", ".y", 30000, 0 },
		{ "", "x", "[0]", 20000, 0 },
		{ "true || ", "true", "", 5000, 0 },
		{ "[1].map(i, ", "1", ")", 64, 0 },
		{ "[1].map(i, ", "1", ")", 65, MR_E_LIMIT },
		{ " ", "1", " ", 65536, MR_E_LIMIT },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(64u << 20);
		struct mr_str source =
		    repeat(a, cases[i].before, cases[i].middle, cases[i].after, cases[i].n);
		struct mr_expr_error err = { .line = 0 };
		const struct mr_expr *e;
		struct mr_value v;
		int r = mr_expr_compile(a, source, &e, &err);

		if (r != cases[i].want)
			fail_msg("case %zu gave %d %s", i, r, err.message);
		if (r == 0)
			r = mr_expr_eval(e, NULL, a, &v, &err);
		assert_true(r == 0 || r == MR_E_NOT_FOUND || r == MR_E_INVALID || r == MR_E_LIMIT);
		a = mr_arena_free(a);
	}
}

static void costs(void **state)
{
	static const char *const sources[] = {
		"lists.range(1000).all(i, lists.range(1000).all(j, lists.range(1000).all(k, k >= "
		"0)))",
		"lists.range(1000).exists(i, lists.range(1000).exists(j, "
		"lists.range(1000).exists(k, "
		"1/0 > 1)))",
		"cel.bind(a, lists.range(100000), a.map(i, a.map(j, j)))",
		"cel.bind(a,[1,1],cel.bind(b,[a,a],cel.bind(c,[b,b],cel.bind(d,[c,c],cel.bind(e,[d,"
		"d],"
		"cel.bind(f,[e,e],cel.bind(g,[f,f],cel.bind(h,[g,g],cel.bind(i,[h,h],cel.bind(j,[i,"
		"i],"
		"cel.bind(k,[j,j],cel.bind(l,[k,k],cel.bind(m,[l,l],cel.bind(n,[m,m],cel.bind(o,[n,"
		"n],"
		"cel.bind(p,[o,o],cel.bind(q,[p,p],cel.bind(r,[q,q],cel.bind(s,[r,r],cel.bind(t,[s,"
		"s],"
		"t == [s,s]))))))))))))))))))))",
		"lists.range(100).map(i, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^(a|a)*$'))",
		/* a run per place, which no limit of PCRE2's sees */
		"lists.range(400000).map(i, 'a').join().matches('[a-z]*[0-9]')",
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(sources); i++) {
		struct mr_expr_error err = { .line = 0 };
		const struct mr_expr *e;
		struct mr_value v;
		int r;

		world_init(&w, "{}");
		assert_int_equal(mr_expr_compile(w.arena, mr_str(sources[i]), &e, &err), 0);
		r = mr_expr_eval(e, &w.env, w.arena, &v, &err);
		if (r != MR_E_LIMIT && r != MR_E_NOMEM && r != MR_E_INVALID)
			fail_msg("case %zu gave %d %s", i, r, err.message);
		world_done(&w);
	}
	/* a budget of one's own */
	world_init(&w, "{}");
	w.env.max_cost = 10;
	assert_str(world_eval(&w, "1 + 1"), "2");
	assert_str(world_eval(&w, "[1, 2, 3].map(i, i)"), "! the evaluation costs too much");
	world_done(&w);
}

/* Text that doubles: the arena's maximum is an ordinary failure. */
static void memory_limit(void **state)
{
	struct world w;
	struct mr_expr_error err = { .line = 0 };
	struct mr_arena *small = mr_arena_create(100000);
	const struct mr_expr *e;
	struct mr_value v;

	(void)state;
	world_init(&w, "{}");
	assert_int_equal(
	    mr_expr_compile(w.arena,
	        MR_STR("lists.range(1000).map(i, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.replace('a', "
	               "'bbbbbbbbbbbbbbbbbbbbb'))"),
	        &e, &err),
	    0);
	assert_int_equal(mr_expr_eval(e, &w.env, small, &v, &err), MR_E_NOMEM);
	assert_string_equal(err.message, "the values are too large for the memory allowed");
	small = mr_arena_free(small);
	world_done(&w);
}

static void asked_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "{'x': 1}");
	assert_str(world_eval(&w, "x + x * x - x"), "1");
	assert_int_equal(w.asked, 1);
	world_done(&w);
}

static void error_path(void **state)
{
	struct mr_expr_error err = { .line = 0 };
	const struct mr_expr *e;
	struct mr_value v;
	struct world w;

	(void)state;
	world_init(&w, world_text);
	assert_int_equal(mr_expr_compile(w.arena, MR_STR("1 + steps.a.content"), &e, &err), 0);
	assert_int_equal(mr_expr_eval(e, &w.env, w.arena, &v, &err), MR_E_NOT_FOUND);
	assert_string_equal(err.path, "steps.a.content");
	assert_int_equal(err.offset, 12);
	assert_int_equal(err.column, 13);
	assert_int_equal(mr_expr_compile(w.arena, MR_STR("1/0"), &e, &err), 0);
	assert_int_equal(mr_expr_eval(e, &w.env, w.arena, &v, &err), MR_E_INVALID);
	assert_string_equal(err.path, "");
	world_done(&w);
}

/* The json of an HTTP result stands in for members that the result lacks. */
static void fallback(void **state)
{
	struct mr_map *http;
	struct world w;

	(void)state;
	world_init(&w, "{'r':{'status_code':200,'json':{'id':7,'status_code':1}}}");
	http = (struct mr_map *)(uintptr_t)mr_value_get(&w.names, "r")->map;
	http->fallback = mr_value_get(mr_value_get(&w.names, "r"), "json")->map;
	assert_str(world_eval(&w, "r.id"), "7");
	assert_str(world_eval(&w, "r['id']"), "7");
	assert_str(world_eval(&w, "r.status_code"), "200");
	assert_str(world_eval(&w, "has(r.id)"), "true");
	assert_str(world_eval(&w, "size(r)"), "2");
	assert_str(world_eval(&w, "r.nope"), "! r.nope: no such value");
	world_done(&w);
}

/* ---- references ---- */

static void add_ref(void *ctx, const struct mr_expr_ref *ref)
{
	struct mr_buf *b = ctx;

	if (b->len > 0)
		mr_buf_addc(b, ' ');
	for (unsigned i = 0; i < ref->n; i++)
		mr_buf_addf(b, "%s%.*s", i > 0 ? "/" : "", MR_STR_ARG(ref->part[i]));
	mr_buf_addf(b, "%s@%zu", ref->optional ? "?" : "", ref->offset);
}

static void references(void **state)
{
	static const struct eval_case cases[] = {
		{ "1", "" },
		{ "x + steps.a.n", "x@0 steps/a/n@4" },
		{ "steps['Manager Approval'].approved", "steps/Manager Approval/approved@0" },
		{ "steps.a.list[0].x", "steps/a/list@0" },
		{ "steps.a[x].y", "x@8 steps/a@0" },
		{ "a.b.c.d.e.f", "a/b/c/d@0" },
		{ "steps.a.list.map(i, i.x + y.z)", "steps/a/list@0 y/z@26" },
		{ "has(a.b) && c.d ?? e.f", "a/b?@4 c/d?@12 e/f@19" },
		{ "(a.b || c) ?? d", "a/b?@1 c?@8 d@14" },
		{ "steps.a.text.size()", "steps/a/text@0" },
		{ "'\xc3\xa9' + a", "a@6" },
		{ "cel.bind(v, a.b, v.c)", "a/b@12" },
	};
	struct mr_arena *a = mr_arena_create(16u << 20);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_expr_error err = { .line = 0 };
		const struct mr_expr *e;
		struct mr_buf b;

		mr_buf_init(&b, 1000);
		assert_int_equal(mr_expr_compile(a, mr_str(cases[i].source), &e, &err), 0);
		mr_expr_refs(e, add_ref, &b);
		if (!mr_str_eqz(b.len > 0 ? mr_buf_str(&b) : MR_STR(""), cases[i].want))
			fail_msg("%s gave %s", cases[i].source, b.p);
		mr_buf_done(&b);
	}
	a = mr_arena_free(a);
}

/* Each allocation fails in turn: MR_E_NOMEM, and in the end the answer. */
static void without_memory(void **state)
{
	static const char *const sources[] = {
		"steps.b.n ?? (steps.a.n > 10 || 1/0 > 1 ? 'a\\n' : \"b\")",
		"steps.a.list.map(i, i > 1, {'a': [i]}).filter(i, i.a[0] > 1).all(i, has(i.a))",
		"['a', 'b'].transformMapEntry(i, v, {v: i, v + v: i, v + '1': 3, v + '2': 3})",
		"'%s %x'.format([{'b': 1.5, 2: [true]}, 'a']) + string(1.5) + string(now())",
		"[[1, 2], [3]].flatten().reverse().sort().distinct().slice(0, 2) + lists.range(3)",
		"'a,b'.split(',').sortBy(x, x).join('-').replace('a', 'b').upperAscii().reverse()",
		"'abc'.matches('a' + 'b') && 'abc'.matches('b.') && base64.decode('aGk=') == b'hi'",
		"cel.bind(v, bytes('a') + b'b', [double('1.5'), v, strings.quote('x'), 1u, -(-1)])",
		"[a1, a2, a3, a4, a5, a6, a7, a8, a9 ?? 1] == [] || true",
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(sources); i++) {
		int r = MR_E_NOMEM;

		for (unsigned long n = 1; r == MR_E_NOMEM; n++) {
			struct mr_expr_error err = { .line = 0 };
			const struct mr_expr *e;
			struct mr_value v;
			struct world w;

			world_init(&w, world_text);
			mr_arena_fail_after(n);
			r = mr_expr_compile(w.arena, mr_str(sources[i]), &e, &err);
			if (r == 0)
				r = mr_expr_eval(e, &w.env, w.arena, &v, &err);
			mr_arena_fail_after(0);
			if (r != 0 && r != MR_E_NOMEM)
				fail_msg("%s at %lu: %d %s", sources[i], n, r, err.message);
			world_done(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals),
		cmocka_unit_test(operators),
		cmocka_unit_test(absorption),
		cmocka_unit_test(coalescing),
		cmocka_unit_test(members),
		cmocka_unit_test(macros),
		cmocka_unit_test(strings),
		cmocka_unit_test(conversions),
		cmocka_unit_test(times),
		cmocka_unit_test(numbers_and_lists),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(refused),
		cmocka_unit_test(unknown_functions),
		cmocka_unit_test(names_with_points),
		cmocka_unit_test(limits),
		cmocka_unit_test(costs),
		cmocka_unit_test(memory_limit),
		cmocka_unit_test(asked_once),
		cmocka_unit_test(error_path),
		cmocka_unit_test(fallback),
		cmocka_unit_test(references),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
