// bitnetc serve under load (README.md): answers beside others, a thousand clients that wait, a soak
// with clients that go, are slow or send nonsense, kill -9, and a long prompt beside a stream.
// LOAD_REQUESTS: how many requests the soak sends (400).
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { besideCases } from "./beside.mjs";
import { ToldCases } from "./cases.mjs";
import { exactCases } from "./exact.mjs";
import { learnAnswers, makeRequests } from "./requests.mjs";
import { restartCases } from "./restart.mjs";
import { slowReaderCase, soakCases } from "./soak.mjs";
import { waitingCases } from "./waiting.mjs";
import { start } from "./watch.mjs";

const cases = new ToldCases({}, /*seconds=*/600);
const requests = makeRequests(64, /*seed=*/7);
// One thread, also where the machine has more and others use it: it gets the same answers.
const server = await start("-t", "1");
await cases.check("every request alone", async () => {
  await learnAnswers(server, requests);
  const texts = requests.flatMap(({ expected }) => expected.map(({ text }) => text));
  const others = new Set(texts).size;
  assert.ok(others > 0.8 * texts.length, `${others} of ${texts.length} texts are different ones`);
  return `${texts.length} texts, ${others} different ones, ${texts.join("").length} characters`;
});
await server.stop();

await exactCases(cases, requests);
await waitingCases(cases);
await soakCases(cases, requests, Number(process.env.LOAD_REQUESTS ?? 400));
const folder = mkdtempSync(path.join(os.tmpdir(), "bitnetc-load-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
await slowReaderCase(cases, path.join(folder, "slow"));
await restartCases(cases, requests, folder);
await besideCases(cases);
cases.finish();
