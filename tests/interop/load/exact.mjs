// Answers beside others are those alone, byte by byte: 64 requests, 1 to 16 at once.
import assert from "node:assert/strict";
import { Random } from "../harness.mjs";
import { askAlone, atOnce, needSame } from "./client.mjs";
import { needAllFreed, start } from "./watch.mjs";

const kMostAtOnce = 16;

// Servers of which each must answer as the first one answered alone. Little memory for keys and
// values makes prefixes come and go.
const kServers = {
  "all instructions": [],
  "avx2, one thread, 4 MiB of keys": ["-t", "1", "--kv-memory", "4", { BITNETC_ISA: "avx2" }],
};

// How a client reads this time: whole, or it goes in the middle.
function habitsOf(random) {
  const resets = random.below(2) === 0;
  switch (random.below(12)) {
    case 0: return [true, { go_after: 1 + random.below(12), resets }];
    case 1: return [random.below(2) === 0, { go_ms: random.below(40), resets }];
    default: return [random.below(2) === 0, {}];
  }
}

export async function exactCases(cases, requests) {
  for (const [name, options] of Object.entries(kServers)) {
    const server = await start(...options);
    for (let count = 1; count <= kMostAtOnce; ++count)
      await cases.check(`exact: ${name}, ${count} at once`, async () => {
        const random = new Random(100 * count + 1);
        const order = requests.map((request) => [random.next(), request])
          .sort((a, b) => a[0] - b[0]).map(([, request]) => request);
        let whole = 0;
        await atOnce(count, order, async (request) => {
          const [streams, habits] = habitsOf(random);
          const answer = await askAlone(server, request, habits, streams);
          needSame(answer, request);
          whole += answer.isWhole;
        });
        assert.ok(whole > requests.length / 2, `${whole} whole answers`);
        return `${whole} whole answers, ${requests.length - whole} clients that went`;
      });
    await cases.check(`exact: ${name}, nothing is left, and it stops`, async () => {
      const pages = await needAllFreed(server);
      assert.equal(await server.stop(), 0);
      return pages;
    });
  }
}
