// Chat templates and small programs as bitnetc renders them, against jinja2 (which defines the
// language) and, for the published templates, @huggingface/jinja.
import { readdirSync } from "node:fs";
import path from "node:path";
import { Template } from "@huggingface/jinja";
import { Report, bin, brief, output, readJson, source, writeWork } from "./harness.mjs";
import { context, programs } from "./programs.mjs";

const kPublished = [
  "bitnet-2b-4t", "chatml", "deepseek-v3", "falcon3", "gemma3", "llama2", "llama3",
  "llama3-always-prompt", "mistral", "qwen3", "qwen3.6", "qwen3.8",
];

// Where bitnetc fails and jinja2 does not; all of these say so.
const kRefusedHere = [
  /int: .* has no integer of 64 bits/,
  /urlencode: a value of type .*, expected a text/,  // of pairs jinja2 makes a query
  /'str object' has no attribute 'isidentifier'/,
];

const spelled = (text) => text?.replace(/(\d)\.0\b/g, "$1").replace(/e-0(\d)/g, "e-$1");

// How @huggingface/jinja differs from jinja2, and so from bitnetc.
const kOtherThere = [
  // It fails to trim what Python would print first.
  (ours, theirs) => /Cannot apply filter "trim" to type: NullValue/.test(theirs.error),
  // JavaScript joins a text with anything; items that are not there are empty.
  (ours, theirs) => theirs.text !== undefined &&
    /'\+' of values of type 'str' and|list object has no element 0/.test(ours.error),
  // Python counts U+001F as white space.
  (ours, theirs) => theirs.text?.replaceAll("\u001f", "") === ours.text,
  // Numbers are spelled as JavaScript does: 1 and 1e-7.
  (ours, theirs) => theirs.text !== undefined && spelled(ours.text) === spelled(theirs.text),
  // An empty text equals false.
  (ours, theirs, { name, variables }) =>
    name === "llama2" && variables.messages[0]?.content === " ",
];

// The recorded cases of tests/frontend/jinja/data: templates over conversations, and expressions.
function recordedCases() {
  const folder = path.join(source, "tests/frontend/jinja/data");
  const { conversations, tools } = readJson(path.join(folder, "conversations.json"));
  const found = [];
  for (const file of readdirSync(folder).sort()) {
    const name = file.slice(0, -".json".length);
    if (["conversations", "limits"].includes(name)) continue;
    const document = readJson(path.join(folder, file));
    for (const each of document.cases) {
      const variables = document.template === undefined ? document.context : {
        ...document.variables, ...each.variables, messages: conversations[each.conversation],
        add_generation_prompt: each.add_generation_prompt ?? false,
        tools: each.tools === undefined ? null : tools[each.tools], documents: null };
      found.push({ name, template: document.template ?? each.template, variables });
    }
  }
  return found;
}

const sameOutcome = (a, b) =>
  a.text === undefined ? b.text === undefined : a.text === b.text;

const shown = (answer) => brief(answer.text ?? `error: ${answer.error}`);

function renderedByHuggingFace({ template, variables }) {
  try {
    return { text: new Template(template).render(structuredClone(variables)) };
  } catch (error) {
    return { error: String(error.message) };
  }
}

const cases = [...recordedCases(),
  ...programs().map((template) => ({ name: "program", template, variables: context }))];
const file = writeWork("templates.json", JSON.stringify(cases));
const ours = JSON.parse(output(path.join(bin, "frontend_answers"), ["templates", file]));
const jinja2 = JSON.parse(output(process.env.INTEROP_PYTHON,
  [path.join(source, "tests/interop/render_jinja2.py"), file]));

const report = new Report();
let failing = 0, refused = 0, published = 0, others = 0;
for (const [i, each] of cases.entries()) {
  if (jinja2[i].error !== undefined) ++failing;
  if (!sameOutcome(ours[i], jinja2[i])) {
    if (kRefusedHere.some((message) => message.test(ours[i].error))) ++refused; else
      report.fail(`${each.name}: ${brief(each.template)}: ${shown(ours[i])} here, ${
        shown(jinja2[i])} by jinja2`);
  }
  if (!kPublished.includes(each.name)) continue;
  ++published;
  const theirs = renderedByHuggingFace(each);
  if (sameOutcome(ours[i], theirs)) continue;
  if (kOtherThere.some((explains) => explains(ours[i], theirs, each))) ++others; else
    report.fail(`${each.name}: ${shown(ours[i])} here, ${shown(theirs)} by @huggingface/jinja`);
}
if (refused > 40 || others > 40) report.fail(`${refused} and ${others} differences are too many`);
report.finish(`${cases.length} renderings by jinja2 (${failing} of them failures): all equal but ` +
  `${refused} that are refused here; ${published} by @huggingface/jinja: all equal but ${others}`);
