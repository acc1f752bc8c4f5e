"""Renders a JSON array of {"template", "variables"} with jinja2, set up as transformers does it,
and prints a JSON array of {"text"} or {"error"}:  render_jinja2.py CASES"""
import datetime
import json
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    """{% generation %} prints what is inside of it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_inside"), [], [], body).set_lineno(line)

    def _inside(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def fromjson(value):
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
environment.filters["tojson"] = tojson
environment.filters["fromjson"] = fromjson
environment.globals["raise_exception"] = raise_exception
now = datetime.datetime(2024, 7, 26, 14, 5, 9)  # the clock of the tests in tests/frontend/jinja
environment.globals["strftime_now"] = now.strftime

templates = {}
answers = []
with open(sys.argv[1], encoding="utf-8") as file:
    cases = json.load(file)
for case in cases:
    try:
        source = case["template"]
        if source not in templates:
            templates[source] = environment.from_string(source)
        text = templates[source].render(case["variables"])
        text.encode()  # halves of characters are no text
        answers.append({"text": text})
    except Exception as error:
        answers.append({"error": f"{type(error).__name__}: {error}"})
json.dump(answers, sys.stdout)
