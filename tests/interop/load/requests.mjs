// Requests at random, the same on every machine: their beginnings are shared, and everything else
// differs.
import { readFileSync } from "node:fs";
import path from "node:path";
import { Random, source } from "../harness.mjs";
import { askAlone, contentOf } from "./client.mjs";
import { need } from "../recorded/shape.mjs";

const words = readFileSync(path.join(source, "tests/golden/data/nll_text.txt"), "utf8")
  .split(/\s+/).filter((word) => word !== "");

// `count` words from a place of the text.
export const cut = (at, count) => words.slice(at, at + count).join(" ");

const kBeginnings = [cut(0, 12), cut(0, 40), cut(0, 150), cut(500, 25), cut(900, 90)];

export function makeRequests(count, seed) {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => {
    const own = cut(random.below(words.length - 60), 1 + random.below(i % 16 === 0 ? 60 : 8));
    const most = 1 + random.below(i % 16 === 1 ? 80 : 24);
    const name = `request ${i}`;
    const body = {
      prompt: `${random.of(kBeginnings)} ${own}`, seed: random.below(1000),
      temperature: random.of([0, 0.5, 0.9, 1.3]), cache_prompt: random.below(2) === 0,
    };
    if (random.below(4) === 0) body.presence_penalty = 0.5;
    if (random.below(4) === 0) body.top_k = 20;
    if (random.below(6) === 0) body.stop = ["the", "."];
    if (random.below(8) === 0) body.regex = "[A-Z][a-z]+( [a-z]+){2,12}[.!?]";
    if (random.below(4) === 0)
      return { name, path: "/completion", body: { ...body, n_predict: most } };
    if (random.below(5) === 0) body.logprobs = 2;
    if (random.below(8) === 0) body.n = 2;
    return { name, path: "/v1/completions", body: { ...body, max_tokens: most } };
  });
}

// Asks every request alone, and keeps what it got as `expected`.
export async function learnAnswers(server, requests) {
  for (const request of requests) {
    const answer = await askAlone(server, request);
    need(answer.status === 200, `alone: ${answer.status}: ${answer.body}`);
    request.expected = contentOf(answer);
  }
}
