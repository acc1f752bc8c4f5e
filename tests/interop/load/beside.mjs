// How a prompt near the limit of the context slows down a stream beside it: a report, with a bound
// that only a server breaks which stops the stream.
import assert from "node:assert/strict";
import { need } from "../recorded/shape.mjs";
import { Connection } from "../recorded/wire.mjs";
import { ask, askAlone, wireBytes } from "./client.mjs";
import { quantile } from "./cases.mjs";
import { cut } from "./requests.mjs";
import { start } from "./watch.mjs";

const kPromptIds = 1000;
// Of the time between tokens alone; less than 5 ms is not told from the noise of a busy machine.
const kMostTimes = 30, kLeastMs = 5;
const kStream = { prompt: "Once upon a time", max_tokens: 1000, seed: 1, temperature: 0.8,
  ignore_eos: true, stream: true };

// Milliseconds between the tokens of a stream; those alone, and those while `meanwhile` was at it.
// `meanwhile` is called behind some tokens.
async function intervals(server, meanwhile) {
  const connection = await Connection.open(server.port);
  const times = { alone: [], beside: [] };
  let last = 0, count = 0, isBeside = false;
  let done = Promise.resolve();
  const on_chunk = () => {
    const now = performance.now();
    if (last > 0) times[isBeside ? "beside" : "alone"].push(now - last);
    last = now;
    if (++count % 150 !== 50 || isBeside) return;
    isBeside = true;
    done = done.then(meanwhile).finally(() => { isBeside = false; });
    done.catch(() => {});  // is thrown below
  };
  const answer = await ask(connection, wireBytes("/v1/completions", kStream), { on_chunk });
  need(answer.isWhole, "the stream was cut");
  await done;
  return times;
}

const told = (times) => `p50 ${quantile(times, 0.5).toFixed(2)} ms, ` +
  `p95 ${quantile(times, 0.95).toFixed(2)} ms`;

export async function besideCases(cases) {
  const server = await start();
  const { tokens } = JSON.parse((await askAlone(server, { path: "/tokenize",
    body: { prompt: cut(0, 2000) } })).body);
  let next = 0;
  const seconds = [];
  // Each begins at another place, so that nothing of it is kept.
  const readPrompt = async () => {
    const begin = performance.now();
    const prompt = tokens.slice(37 * next, 37 * next + kPromptIds);
    ++next;
    const answer = await askAlone(server, { path: "/v1/completions",
      body: { prompt, max_tokens: 1, temperature: 0 } });
    need(answer.status === 200, answer.body);
    seconds.push((performance.now() - begin) / 1000);
  };

  await cases.check(`a prompt of ${kPromptIds} tokens beside a stream`, async () => {
    for (let i = 0; i < 2; ++i) await readPrompt();
    const lone = Math.min(...seconds.splice(0));
    const { alone } = await intervals(server, async () => {});
    const beside = [];
    for (let i = 0; i < 2; ++i) beside.push(...(await intervals(server, readPrompt)).beside);
    need(beside.length > 20, `${beside.length} tokens beside prompts`);
    const figures = `alone ${told(alone)}; beside ${told(beside)} (${beside.length} tokens); the ` +
      `prompt alone ${lone.toFixed(3)} s, beside ${quantile(seconds, 0.5).toFixed(3)} s`;
    assert.ok(quantile(beside, 0.95) <= kMostTimes * Math.max(quantile(alone, 0.5), kLeastMs),
      figures);
    assert.equal(await server.stop(), 0);
    return figures;
  });
}
