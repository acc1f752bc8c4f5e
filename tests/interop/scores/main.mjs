// What lm-evaluation-harness computes over HTTP equals `bitnetc perplexity --pairs`, bit by bit:
// 200 contexts and continuations as ids, in batches of lists of mixed lengths, with echo.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Random, output, source, writeWork } from "../harness.mjs";
import { Cases } from "../serve/cases.mjs";
import { Server, bitnetc, environment, textModel } from "../serve/server.mjs";

const kPairs = 200, kBatch = 16, kAtOnce = 4;
// Of a prompt in a context of 1024, where one token is to follow; lm-eval sends 1023.
const kMostIds = 1024;

// Pairs of contexts of 1 to some 200 words, a few as long as may be, and continuations of 1 to 12;
// every third continuation is one of another place.
function makePairs() {
  const words = readFileSync(path.join(source, "tests/golden/data/nll_text.txt"), "utf8")
    .split(/\s+/).filter((word) => word !== "");
  const random = new Random(11);
  const cut = (at, count) => words.slice(at, at + count).join(" ");
  return Array.from({ length: kPairs }, (_, i) => {
    const context = 1 + random.below(i % 20 === 0 ? 560 : i % 2 ? 30 : 200);
    const count = 1 + random.below(i % 4 === 1 ? 1 : 12);
    const at = random.below(words.length - context - count);
    const next = i % 3 === 0 ? random.below(words.length - count) : at + context;
    return { context: cut(at, context), continuation: ` ${cut(next, count)}` };
  });
}

const post = async (url, body) => {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json" } });
  assert.equal(answer.status, 200, `${url}: ${answer.status}`);
  return answer.json();
};

// The ids of a pair, cut behind those of its context.
async function tokenize(server, { context, continuation }) {
  const ids = async (prompt) => (await post(`${server.url}/tokenize`, { prompt })).tokens;
  return { ids: await ids(context + continuation), context: (await ids(context)).length };
}

// As lm-eval reads an answer: the last entry is the new token's.
function scoreOf({ logprobs: { token_logprobs: own, top_logprobs: top } }, { ids, context }) {
  assert.equal(own.length, ids.length + 1, "entries of echo");
  assert.equal(own[0], null, "the first entry");
  let sum = 0, isGreedy = true;
  for (let i = context; i < ids.length; ++i) {
    sum += own[i];
    isGreedy &&= own[i] === Math.max(...Object.values(top[i]));
  }
  return { log_probability: sum, tokens: ids.length - context, is_greedy: isGreedy };
}

async function scoreBatch(server, batch) {
  const { choices } = await post(`${server.url}/v1/completions`, { model: "fairytale-6m",
    prompt: batch.map(({ ids }) => ids), temperature: 0, max_tokens: 1, logprobs: 1, seed: 1234,
    echo: true });
  choices.sort((a, b) => a.index - b.index);
  assert.equal(choices.length, batch.length, "choices");
  batch.forEach((pair, i) => { pair.score = scoreOf(choices[i], pair); });
}

async function scoreAll(server, pairs, batchSize) {
  const sorted = [...pairs].sort((a, b) => b.ids.length - a.ids.length);
  const batches = [];
  while (sorted.length > 0) batches.push(sorted.splice(0, batchSize));
  await Promise.all(Array.from({ length: kAtOnce }, async () => {
    for (let batch; (batch = batches.shift());) await scoreBatch(server, batch);
  }));
  return pairs.map(({ score }) => score);
}

const cases = new Cases();
const texts = makePairs();
const file = writeWork("pairs.jsonl", texts.map((pair) => `${JSON.stringify(pair)}\n`).join(""));
const expected = JSON.parse(output(bitnetc, ["perplexity", textModel, "--pairs", file, "--json"],
  { env: environment })).pairs;
const server = await Server.start(textModel);
const pairs = await Promise.all(texts.map((pair) => tokenize(server, pair)));

await cases.check("the pairs are worth scoring", async () => {
  const greedy = expected.filter((score) => score.is_greedy).length;
  assert.ok(greedy > 3 && greedy < kPairs / 2, `${greedy} greedy ones`);
  assert.ok(Math.max(...pairs.map(({ ids }) => ids.length)) > 600, "no long one");
  const scores = new Set(expected.map((score) => score.log_probability));
  assert.ok(scores.size > 0.95 * kPairs && !scores.has(0), "scores");
});
await cases.check(`batches of ${kBatch}, ${kAtOnce} at once`, async () =>
  assert.deepEqual(await scoreAll(server, pairs, kBatch), expected));
await cases.check("one by one, reused", async () =>
  assert.deepEqual(await scoreAll(server, pairs.slice(0, 40), 1), expected.slice(0, 40)));
await cases.check("a prompt as long as may be, and one more", async () => {
  const ids = pairs.flatMap((pair) => pair.ids).slice(0, kMostIds);
  await scoreBatch(server, [{ ids, context: 1 }]);
  await assert.rejects(scoreBatch(server, [{ ids: [...ids, 5], context: 1 }]), /: 400/);
});
await cases.check("the server stops", async () => assert.equal(await server.stop(), 0));
cases.finish();
