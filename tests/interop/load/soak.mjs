// Many requests from 24 clients for a long time: none is lost, each gets its answer, and memory
// does not grow.
import assert from "node:assert/strict";
import { Random } from "../harness.mjs";
import { need } from "../recorded/shape.mjs";
import { Connection } from "../recorded/wire.mjs";
import { ask, askAlone, atOnce, contentOf, needSame, wireBytes } from "./client.mjs";
import { cut } from "./requests.mjs";
import { metricsOf, needAllFreed, openFilesAtMost, residentMib, start } from "./watch.mjs";

const kClients = 24, kQuarters = 4;
const kMostGrowthMib = 16;  // from the end of the first quarter to that of the last

const kPath = "/v1/completions";
const kRequest = { prompt: "Once", max_tokens: 4 };
// What is no request of this server, and the statuses that it may be refused with.
const kMalformed = [
  [wireBytes(kPath, '{"prompt": "Once", '), [400]],
  [wireBytes(kPath, { ...kRequest, max_tokens: -5 }), [400]],
  [wireBytes(kPath, { ...kRequest, temperature: "hot" }), [400]],
  [wireBytes(kPath, { ...kRequest, prompt: [1, 2, 1 << 30] }), [400]],
  [wireBytes(kPath, { ...kRequest, prompt: cut(0, 2000) }), [400]],
  [wireBytes(kPath, { ...kRequest, regex: "(" }), [400]],
  [wireBytes("/v1/nothing", kRequest), [404]],
  [Buffer.from("DELETE /v1/completions HTTP/1.1\r\nhost: localhost\r\n\r\n"), [405]],
  [Buffer.from("this is no HTTP\r\n\r\n"), [400]],
  [Buffer.from(`GET /${"a".repeat(20000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`), [414, 431]],
  [Buffer.from("GET /health HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n"), [403]],
];

class Client {
  counts = { answered: 0, gone: 0, refused: 0, slow: 0 };
  constructor(server, requests, random) { Object.assign(this, { server, requests, random }); }

  async one() {
    const kind = this.random.below(100);
    const connection = this.kept ?? await Connection.open(this.server.port);
    this.kept = null;
    if (kind < 5) return this.sendNonsense(connection);
    if (kind < 7) return this.sendHalf(connection);
    const request = this.random.of(this.requests);
    const [stream, habits] = this.habits(kind);
    const bytes = wireBytes(request.path, { ...request.body, stream });
    const answer = await ask(connection, bytes, habits);
    needSame(answer, request);
    need(answer.isWhole || habits.go_after || habits.go_ms !== undefined, "an answer was cut");
    ++this.counts[answer.isWhole ? "answered" : "gone"];
    this.counts.slow += habits.pause_ms !== undefined;
    this.keep(connection, answer);
  }

  habits(kind) {
    const { random } = this;
    const resets = random.below(2) === 0;
    if (kind < 14) return [true, { go_after: 1 + random.below(12), resets }];
    if (kind < 20) return [random.below(2) === 0, { go_ms: random.below(60), resets }];
    if (kind < 24)
      return [true, { pause_after: 1 + random.below(5), pause_ms: 300 + random.below(1700) }];
    return [random.below(2) === 0, {}];
  }

  async sendNonsense(connection) {
    const [bytes, statuses] = this.random.of(kMalformed);
    const answer = await ask(connection, bytes);
    need(statuses.includes(answer.status),
      `${bytes.subarray(0, 200)}: ${answer.status}, not ${statuses}: ${answer.body}`);
    ++this.counts.refused;
    this.keep(connection, answer);
  }

  // A request of which a part is sent, and then the client goes.
  async sendHalf(connection) {
    const bytes = wireBytes(kPath, kRequest);
    await new Promise((resolve) =>
      connection.socket.write(bytes.subarray(0, 1 + this.random.below(bytes.length - 1)), resolve));
    connection.close();
    ++this.counts.gone;
  }

  // Every second answer that allows it leaves its connection to the next request.
  keep(connection, answer) {
    if (answer.keeps && this.random.below(2) === 0) this.kept = connection;
    else connection.close();
  }
}

// How many requests have ended as `pattern` says, as the server has counted them.
async function ended(server, pattern) {
  const counters = Object.entries(await metricsOf(server))
    .filter(([name]) => name.startsWith("bitnetc_requests_total{") && pattern.test(name));
  return counters.reduce((sum, [, value]) => sum + value, 0);
}

export async function soakCases(cases, requests, count) {
  const server = await start("--kv-memory", "10");
  const clients = Array.from({ length: kClients },
    (_, i) => new Client(server, requests, new Random(1000 + i)));
  const share = Math.ceil(count / kQuarters);
  const mib = [];

  for (let quarter = 1; quarter <= kQuarters; ++quarter)
    await cases.check(`soak: ${share} requests, part ${quarter}`, async () => {
      const begin = performance.now();
      await atOnce(kClients, Array(share).fill(0), (_, i, client) => clients[client].one());
      const seconds = (performance.now() - begin) / 1000;
      const pages = await needAllFreed(server);
      mib.push(await residentMib(server));
      return `${(share / seconds).toFixed(0)} requests/s, ${pages}, ${mib.at(-1).toFixed(1)} MiB`;
    });

  await cases.check("soak: none is lost, and memory does not grow", async () => {
    const sum = (kind) => clients.reduce((total, { counts }) => total + counts[kind], 0);
    const [answered, gone, refused, slow] = ["answered", "gone", "refused", "slow"].map(sum);
    assert.equal(answered + gone + refused, kQuarters * share, "requests");
    assert.equal(await ended(server, /code="5/), 0, "requests that failed");
    const texts = await ended(server, /finish="(stop|length)"/);
    assert.ok(texts >= answered && texts <= answered + gone,
      `the server has counted ${texts} texts, the clients ${answered} and ${gone} that went`);
    // Its own, and those connections that clients have kept.
    const files = await openFilesAtMost(server, 20 + kClients);
    assert.equal(mib.length, kQuarters, "parts");
    assert.ok(mib.at(-1) - mib[0] <= kMostGrowthMib,
      `${mib[0]} MiB behind the first quarter, ${mib.at(-1)} MiB behind the last`);
    assert.equal(await server.stop(), 0);
    return `${answered} answers (${slow} read slowly), ${gone} clients that went, ` +
      `${refused} refused; ${mib[0].toFixed(1)} MiB behind the first quarter, ` +
      `${mib.at(-1).toFixed(1)} MiB behind the last; ${files} open files`;
  });
}

// Of one reader of a Unix socket, whose buffers hold a fraction of the stream.
const kLong = { path: kPath, body: { prompt: "Once upon a time", max_tokens: 900, logprobs: 20,
  ignore_eos: true, temperature: 0.9, seed: 2 } };
const kSlowReaders = 6, kPauseMs = 4000;

export async function slowReaderCase(cases, socket) {
  await cases.check(`slow: ${kSlowReaders} readers that pause behind the first chunk`, async () => {
    const server = await start("--socket", socket);
    const expected = contentOf(await askAlone(server, kLong));
    const habits = { pause_after: 1, pause_ms: kPauseMs };
    let bytes = 0;
    const seconds = [];
    // The last one reads at once.
    await atOnce(kSlowReaders + 1, Array(kSlowReaders + 1).fill(habits), async (slow, i) => {
      const begin = performance.now();
      const answer = await askAlone(server, kLong, i < kSlowReaders ? slow : {}, /*stream=*/true);
      needSame(answer, { name: `reader ${i}`, expected });
      bytes = answer.body.length;
      seconds.push((performance.now() - begin) / 1000);
    });
    await needAllFreed(server);
    assert.equal(await server.stop(), 0);
    return `${(bytes / 1024).toFixed(0)} KiB each; the first has it after ` +
      `${seconds[0].toFixed(1)} s, the last after ${seconds.at(-1).toFixed(1)} s`;
  });
}
