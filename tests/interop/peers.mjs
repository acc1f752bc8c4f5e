// tools/bench-peers from end to end with a small model: it says what it has measured, leaves no
// file behind, not even when it is ended in the middle, and says what is wrong with an option.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { Report, bin, modules, readJson, source, work } from "./harness.mjs";

const report = new Report();
const expect = (holds, what) => { ++report.compared; if (!holds) report.fail(what); };

const temporary = path.join(work, "peers");
rmSync(temporary, { recursive: true, force: true });
mkdirSync(temporary);
const env = { ...process.env, TMPDIR: temporary, XDG_CACHE_HOME: path.join(work, "cache"),
  PEERS_BITNETC: path.join(bin, "bitnetc"), PEERS_MODULES: modules };
const main = path.join(source, "tools/peers/main.mjs");
const run = (...args) => spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8" });

const document = path.join(work, "peers.json");
const small = ["--shape", "125m", "--prompt", "8", "--gen", "2", "--threads", "1",
  "--types", "tq2_0"];
const done = run(...small, "--rounds", "2", "--json", document);
expect(done.status === 0, done.stderr);
expect(readdirSync(temporary).length === 0, `left behind: ${readdirSync(temporary)}`);
if (done.status === 0) {
  const { schema, rows, best, llama_cpp: { backend } } = readJson(document);
  expect(schema === "bitnetc.bench-peers", schema);
  // Two heads, and bitnetc: with and without the screened head where it generates.
  expect(rows.length === 4 + 3, `${rows.length} rows`);
  expect(rows.every((row) => row.rates.length === 2 && row.tokens_per_second > 0), "rates");
  expect(best.length === 4 && best.every((each) => each.type === "tq2_0"), "the fastest types");
  expect(backend !== "unknown", "the kernels of llama.cpp");
  const longest = Math.max(...done.stdout.split("\n").map((line) => line.length));
  expect(longest <= 80, `a line of ${longest} columns`);
}

// Ended while bitnetc writes a file, and while llama.cpp or bitnetc is measured.
for (const moment of ["writing 125m-tq2_0", "round 1"]) {
  const child = spawn(process.execPath, [main, ...small, "--heads", "f16", "--rounds", "1000"],
    { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
    if (said.includes(moment)) child.kill("SIGTERM");
  });
  const [code, signal] = await new Promise((resolve) =>
    child.on("close", (...end) => resolve(end)));
  expect(signal === "SIGTERM", `${moment}: ended with ${code}, ${signal}: ${said}`);
  expect(readdirSync(temporary).length === 0,
    `${moment}: left behind: ${readdirSync(temporary)}`);
}

for (const [args, words] of [
  [["--rounds", "0"], "--rounds '0': expected a whole number from 1 to 1000"],
  [["--heads", "f8"], "--heads 'f8': expected some of f16,q6_k"],
  [["--shape", "none"], "--shape 'none': expected a name of bitnetc synth --list"],
  [["--shape", "3b"], "expected multiples of 256"],
  [["--prompt", "0", "--gen", "0"], "leave nothing to measure"],
]) {
  const { status, stderr } = run(...args);
  expect(status === 2 && stderr.includes(words), `${args.join(" ")}: ${status}: ${stderr}`);
}
report.finish(`${report.compared} expectations of tools/bench-peers`);
