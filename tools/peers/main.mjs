// bitnetc beside llama.cpp in turns; started by tools/bench-peers, which says what options mean.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { makeFiles } from "./files.mjs";
import { LlamaCpp } from "./llama.mjs";
import { Programs, WrongUse, fail, say } from "./programs.mjs";
import { documentOf, tableOf } from "./report.mjs";

const kTypes = ["tq1_0", "tq2_0"], kHeads = ["f16", "q6_k"];

function readOptions() {
  const text = (fallback) => ({ type: "string", default: fallback });
  let values;
  try {
    ({ values } = parseArgs({ options: {
      rounds: text("3"), threads: text("1,2"), prompt: text("512"), gen: text("32"),
      types: text(kTypes.join()), heads: text(kHeads.join()), shape: text("2b-4t"),
      json: { type: "string" }, files: { type: "string" }, keep: { type: "boolean" },
    } }));
  } catch (error) {
    throw new WrongUse(error.message);
  }
  const integer = (name, value, least, most) => {
    if (!/^[0-9]{1,9}$/.test(value) || +value < least || +value > most)
      throw new WrongUse(`--${name} '${value}': expected a whole number from ${least} to ${most}`);
    return +value;
  };
  const words = (name, allowed) => values[name].split(",").map((word) => {
    if (!allowed.includes(word))
      throw new WrongUse(`--${name} '${word}': expected some of ${allowed.join()}`);
    return word;
  });
  const options = {
    rounds: integer("rounds", values.rounds, 1, 1000),
    threads: values.threads.split(",").map((each) => integer("threads", each, 1, 1024)),
    prompt: integer("prompt", values.prompt, 0, 2048),
    generated: integer("gen", values.gen, 0, 2048),
    types: words("types", kTypes), heads: words("heads", kHeads),
    shape: values.shape,
    json: values.json, folder: values.files, keeps: values.keep || values.files !== undefined,
  };
  if (options.prompt + options.generated === 0)
    throw new WrongUse("--prompt 0 and --gen 0 leave nothing to measure");
  return options;
}

// One round: every number of threads, every test, bitnetc and the others in turns.
async function round(options, files, programs, llama, rates) {
  const note = (what, threads, { prompt, generated }) => {
    for (const [test, rate] of Object.entries({ prompt, generated }))
      if (rate !== undefined) (rates[`${what} ${test} ${threads}`] ??= []).push(rate);
  };
  for (const threads of options.threads) {
    note("screened", threads, await programs.bench(files.ours, options, threads));
    if (options.generated > 0)
      note("full", threads, await programs.bench(files.ours, { ...options, prompt: 0 }, threads,
        "--full-head"));
    for (const peer of files.theirs)
      note(peer.name, threads, await llama.measure(peer, options, threads));
  }
}

async function measure(options, folder, programs) {
  const files = await makeFiles(programs, folder, options);
  const model = await programs.inspect(files.ours);
  const llama = await LlamaCpp.start(files.theirs, options, model.config.vocab_size);
  say("a round that does not count");
  await round(options, files, programs, llama, {});
  const rates = {};
  for (let i = 1; i <= options.rounds; ++i) {
    say(`round ${i} of ${options.rounds}`);
    await round(options, files, programs, llama, rates);
  }
  const measured = {
    options, model, rates, theirs: files.theirs, date: new Date().toISOString().slice(0, 10),
    machine: programs.machine, bitnetc: programs.version, llama: llama.about,
  };
  process.stdout.write(tableOf(measured));
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify(documentOf(measured), null, 2)}\n`);
}

async function main() {
  const options = readOptions();
  if (options.json) writeFileSync(options.json, "");  // what cannot be written is said at once
  if (options.folder) mkdirSync(options.folder, { recursive: true });
  const folder = options.folder ?? mkdtempSync(path.join(tmpdir(), "bitnetc-peers."));
  const programs = new Programs();
  const cleanUp = () => {
    if (options.keeps) say(`the files are in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, async () => {
      if (programs.stopped) return;
      await programs.stop();
      cleanUp();
      // Its own action now, by which threads of llama.cpp end, too.
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  try {
    await measure(options, folder, programs);
  } finally {
    if (!programs.stopped) cleanUp();
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  if (error instanceof WrongUse) fail(`wrong use: ${error.message}`, 2);
  fail(error.message, 1);
}
