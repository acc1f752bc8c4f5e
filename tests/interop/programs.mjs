// Small Jinja programs: every operator over every pair of kinds of values, filters and methods over
// values, every way to cut white space, and programs of a few lines.
const kValues = [
  "none", "true", "false", "0", "3", "-7", "2.5", "-0.0", "1e20", "''", "'a'", "'Ab c'", "' x\\n'",
  "'12'", "'é😀'", "[]", "[1, 2]", "['b', 'a', 'B']", "[3, 1.5, true]", "[[1], 'x', none]", "{}",
  "{'a': 1}", "{'b': [1], 'a': {'c': none}}", "(1, 'a')", "missing", "range(3)",
];

const kOperators = [
  "+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or",
];

const kUnary = [
  "-VALUE", "+VALUE", "not VALUE", "VALUE if VALUE else 'no'", "VALUE is defined", "VALUE is none",
  "VALUE is string", "VALUE is number", "VALUE is integer", "VALUE is float", "VALUE is boolean",
  "VALUE is mapping", "VALUE is sequence", "VALUE is iterable", "VALUE is true", "VALUE is false",
  "VALUE is odd", "VALUE is even", "VALUE is callable", "VALUE is undefined", "VALUE is eq 3",
  "VALUE is in [3, 'a']", "VALUE[0]", "VALUE[-1]", "VALUE[1:]", "VALUE[::-1]", "VALUE.a",
  "VALUE['a']", "VALUE.missing", "VALUE.items()", "VALUE.keys()|list", "VALUE.get('a', 'no')",
  "VALUE()", "{VALUE: 1}", "[VALUE]", "VALUE is divisibleby 3", "VALUE is lower", "VALUE is upper",
];

const kFilters = [
  "abs", "attr('a')", "batch(2)|list", "capitalize", "center(9)", "count", "default('d')",
  "default('d', true)", "d('d')", "dictsort", "escape", "first", "float", "float(7)", "indent",
  "indent(2, true)", "int", "int(7)", "items|list", "join", "join('-')", "last", "length", "list",
  "lower", "map('upper')|list", "map(attribute='a')|list", "max", "min", "reject('odd')|list",
  "replace('a', 'X')", "replace('b', 'X', 1)", "reverse|list", "round", "round(1)",
  "round(0, 'ceil')", "round(0, 'floor')", "safe", "select|list", "selectattr('a')|list",
  "slice(2)|list", "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "string",
  "string|length", "striptags", "sum", "sum(start=2)", "title", "tojson", "tojson(indent=2)",
  "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "trim",
  "trim('x')", "truncate(3)", "truncate(3, true, '')", "unique|list", "upper", "urlencode",
  "wordcount", "groupby('a')|list", "format(1)", "e", "forceescape",
];

const kTexts = [
  "''", "'a'", "'Hello World'", "'  two  spaces '", "'é😀ß'", "'a,b,,c'", "'line\\nnext\\r\\nlast'",
  "'tab\\tx'", "'UPPER lower'", "'123'", "'%s and %d'", "'aXbXc'",
];

const kMethods = [
  "capitalize()", "casefold()", "count('a')", "count('')", "endswith('c')", "endswith(('c', 'a'))",
  "find('o')", "find('zz')", "index('a')", "isalnum()", "isalpha()", "isdigit()", "islower()",
  "isspace()", "isupper()", "istitle()", "join(['x', 'y'])", "join('xyz')", "ljust(8)",
  "rjust(8, '.')", "lower()", "lstrip()", "lstrip(' a')", "partition('X')", "rpartition(' ')",
  "removeprefix('a')", "removesuffix('c')", "replace('a', '')", "replace('', '-')",
  "replace('X', 'y', 1)", "rfind('o')", "rsplit(',', 1)", "rstrip()", "split()", "split(',')",
  "split('X', 1)", "split(none, 1)", "splitlines()", "splitlines(true)", "startswith('a')",
  "startswith('')", "strip()", "strip('ac')", "swapcase()", "title()", "upper()", "zfill(6)",
  "encode()", "center(12)", "expandtabs(4)", "isdecimal()", "isnumeric()", "isidentifier()",
];

const kPrograms = [
  "{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.first }}{{ loop.last }}" +
    "{{ loop.revindex0 }}|{% endfor %}",
  "{% for x in [] %}a{% else %}none{% endfor %}",
  "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
  "{% for x in range(9) if x % 2 %}{{ x }}{% if x > 5 %}{% break %}{% endif %}{% endfor %}",
  "{% for x in range(5) %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}" +
    "{{ loop.cycle('a', 'b') }}{% endfor %}",
  "{% for x in 'héy' %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{% endfor %}",
  "{% set x = 1 %}{% for i in range(3) %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
  "{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}" +
    "{% endfor %}{{ ns.n }}",
  "{% set a, b = [1, 2] %}{{ b }}{{ a }}{% set c %}  in {{ a }} side{% endset %}[{{ c }}]",
  "{% macro m(a, b='x') %}{{ a }}-{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1) }}" +
    "{{ m(1, 2, 3) }}{{ m(b=4, a=5, z=6) }}",
  "{% macro m(x) %}[{{ caller(x) }}]{% endmacro %}{% call(y) m(3) %}{{ y * 2 }}{% endcall %}",
  "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}",
  "{% filter upper %}a{{ 'b' }}{% endfilter %}{% raw %}{{ x }}{% endraw %}{# c #}",
  "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}",
  "{% block x %}in{% endblock %}{{ self is defined }}",
  "{%- for m in messages -%} {{ m.role }}: {{ m.content | trim }} {%- endfor -%}",
  "{% for m in messages recursive %}{{ m.role }}{{ loop.depth }}{% endfor %}",
  "{{ messages | map(attribute='role') | join(', ') }}" +
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
  "{{ messages[-1]['content'].split('\\n')[0] }}{{ messages[0].content[1:-1:2] }}",
  "{{ messages | tojson }}\n{{ messages | tojson(indent=4) }}\n",
  "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}",
  "{{ strftime_now('%Y-%m-%d %H:%M:%S %j %a %A %b %B %p %I %y') }}",
  "{% set x = {'a': {'b': [1, {'c': 'deep'}]}} %}{{ x.a.b[1].c }}{{ x['a']['b'][0] }}",
  "{{ dict(a=1, **{'b': 2}) }}{{ cycler('a', 'b').next() }}{% set j = joiner('|') %}" +
    "{{ j() }}{{ j() }}",
  "{{ 1 if true }}{{ 1 if false }}{{ (1 if false) is undefined }}",
  "{{ 1 < 2 < 3 }}{{ 3 > 2 > 2 }}{{ 1 == 1.0 == true }}{{ 2 ** 3 ** 2 }}{{ -2 ** 2 }}" +
    "{{ not 1 == 2 }}",
  "{{ 7 // -2 }}{{ -7 % 3 }}{{ 7 % -3 }}{{ 7.5 // 2 }}{{ 1 / 3 }}{{ 1e16 }}{{ 1e15 }}" +
    "{{ 0.1 + 0.2 }}{{ 1e-5 }}",
  "{{ 'a' 'b' }}{{ \"it's\" }}{{ 'q\"' }}{{ ['it\\'s', \"q\\\"'\"] }}{{ '\\x41\\u00e9\\n' }}",
  "{{ [1, 2, 3][::2] }}{{ 'abc'[::-1] }}{{ (1,) }}{{ () }}{{ (1, 2)[1] }}{{ [1] + [2] }}" +
    "{{ {'a': 1}|length }}",
  "{{ x.y is defined }}", "{{ x.y.z }}", "{{ missing }}{{ missing|default(1) }}", "{{ missing.y }}",
  "{{ missing() }}", "{{ 1 + }}", "{% if %}{% endif %}", "{% for x in y", "{{ 'a }}",
  "{% endfor %}", "{% unknown %}", "{{ x|nofilter }}", "{{ x is notest }}", "{% set %}", "{{ (1 }}",
  "{{ [1 }}", "{{ {1: } }}", "{% include 'x' %}", "{{ x.__class__ }}", "{{ ''.__class__ }}",
  "{{ '{}-{x}'.format(1, x=2) }}", "{{ '{0:>5}|{1:.2f}'.format('a', 2.345) }}",
  "{{ '%05.1f|%x|%s' % (2.25, 255, none) }}", "{{ '%(a)s' % {'a': 1} }}",
  "a\r\nb\r\n{% if true %}\r\nc\r\n{% endif %}\r\nd",
  "{{ [1, [2, ['x', none, true, 1.0]]] }}{{ {'k': (1,), 2: 'v'} }}",
  "{{ 'a\\tb\\\\\\'\"\\u2028\\x00é' | list }}", "{% generation %}a{{ 1 }}{% endgeneration %}b",
  "{% autoescape true %}{{ '<&>' }}{% endautoescape %}",
  "{{ range(10)[2:5]|list }}{{ range(5, 0, -2)|list }}{{ range(3) }}", "{{ lipsum is defined }}",
  "line {# comment\nof two #} end\n{#- cut -#}\n next", "{{-''-}}\n x \n{{- '' }}",
  "\n\n{% if true %}\n\n x{% endif %}\n\n",
];

// Openings and closings of tags, with what each may do to the white space around it.
function spacePrograms() {
  const surroundings = [
    ["a ", " b"], ["a\n  ", "\n b"], ["\t", "\t\n\nb"], ["a\r\n ", " \r\nb"], ["", ""]];
  const found = [];
  for (const open of ["{%", "{%-", "{%+"]) for (const close of ["%}", "-%}", "+%}"])
    for (const [before, behind] of surroundings) {
      const [note, noteEnd] = [open.replace("%", "#"), close.replace("%", "#")];
      const [print, printEnd] = [open.replace("%", "{"), close.replace("%", "}")];
      found.push(`${before}${open} if true ${close}${behind}${open} endif ${close}${before}.`);
      found.push(`{{ 1 }}${before}${open} set x = 1 ${close}${behind}{{ x }}\n`);
      found.push(`${before}${note} note ${noteEnd}${behind}\n\n`);
      found.push(`${before}${print} 1 ${printEnd}${behind}`);
      found.push(
        `${before}${open} raw ${close}${behind}{{ x }} ${open} endraw ${close}${before}.`);
    }
  return found;
}

export const context = {
  x: { y: null }, s: "Hello", messages: [{ role: "system", content: " Be\nbrief. " },
    { role: "user", content: "Hé <b>?" }, { role: "assistant", content: "1\n2\n" }],
};

// Values are set first, or jinja2 works out the expression when it compiles, by other rules.
const set = (name, value) => `{% set ${name} = ${value} %}`;

export function programs() {
  const found = [...kPrograms, ...spacePrograms()];
  for (const operator of kOperators) for (const left of kValues) for (const right of kValues)
    found.push(`${set("a", left)}${set("b", right)}{{ a ${operator} b }}`);
  for (const value of kValues) {
    for (const form of kUnary)
      found.push(`${set("v", value)}{{ ${form.replaceAll("VALUE", "v")} }}`);
    for (const filter of kFilters) found.push(`${set("v", value)}{{ v|${filter} }}`);
    found.push(`{% for x in ${value} %}{{ x }},{% else %}empty{% endfor %}`);
    found.push(`{% if ${value} %}yes{% endif %}`);
  }
  for (const text of kTexts) for (const method of kMethods)
    found.push(`${set("t", text)}{{ t.${method} }}`);
  return found;
}
