// llama.cpp as node-llama-cpp brings it, on the CPU.
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const kGreedy = { generateNext: { token: true, options: { temperature: 0 } } };
// Contexts are as long as the longest test, and a little more.
const kSparePositions = 64;

// Ids without a pattern, the same every time (a linear congruence, whose high bits are good).
function tokens(count, vocab) {
  let state = 1;
  return Array.from({ length: count }, () =>
    Math.floor((state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32 * vocab));
}

const seconds = async (work) => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1e3;
};

// The library of this process that has the kernels: "zen4".
const backend = () =>
  /libggml-cpu-(\w+)\.so/.exec(readFileSync("/proc/self/maps", "utf8"))?.[1] ?? "unknown";

export class LlamaCpp {
  // Loads every file and makes its contexts. Error: as llama.cpp says it.
  static async start(peers, options, vocab) {
    const root = path.join(process.env.PEERS_MODULES, "node-llama-cpp");
    const entry = pathToFileURL(path.join(root, "dist/index.js"));
    const { LlamaLogLevel, getLlama } = await import(entry);
    const llama = await getLlama({
      gpu: false, build: "never", skipDownload: true, progressLogs: false,
      logLevel: LlamaLogLevel.error, maxThreads: Math.max(...options.threads) });
    const self = new LlamaCpp();
    self.vocab = vocab;
    self.contexts = {};
    for (const peer of peers) {
      const model = await llama.loadModel({ modelPath: peer.path });
      peer.description = model.typeDescription;
      for (const threads of options.threads)
        self.contexts[`${peer.name} ${threads}`] = await model.createContext({
          contextSize: Math.max(options.prompt, options.generated) + kSparePositions,
          batchSize: Math.max(options.prompt, 1), threads: { ideal: threads, min: threads } });
    }
    self.about = {
      release: llama.llamaCppRelease.release, backend: backend(), node: process.version,
      package: JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")).version,
    };
    return self;
  }

  // Tokens per second, as Programs.bench(): the next token is chosen after a prompt and after every
  // generated token, but the ids that are fed are given.
  async measure(peer, { prompt, generated }, threads) {
    const context = this.contexts[`${peer.name} ${threads}`];
    this.sequences ??= new Map();
    if (!this.sequences.has(context)) this.sequences.set(context, context.getSequence());
    const sequence = this.sequences.get(context);
    const rates = {};
    if (prompt > 0) {
      await sequence.clearHistory();
      const ids = tokens(prompt, this.vocab);
      const input = [...ids.slice(0, -1), [ids.at(-1), kGreedy]];
      rates.prompt = prompt / await seconds(() => sequence.controlledEvaluate(input));
    }
    if (generated > 0) {
      await sequence.clearHistory();
      rates.generated = generated / await seconds(async () => {
        for (const id of tokens(generated, this.vocab))
          await sequence.controlledEvaluate([[id, kGreedy]]);
      });
    }
    if (context.currentThreads !== threads)
      throw new Error(`llama.cpp ran with ${context.currentThreads} threads instead of ${threads}`);
    return rates;
  }
}
