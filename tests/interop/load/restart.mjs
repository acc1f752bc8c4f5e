// kill -9 in the middle of streams and of a start: the next server at the same place answers as
// the one before.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { need } from "../recorded/shape.mjs";
import { Connection } from "../recorded/wire.mjs";
import { bitnetc, environment, textModel } from "../serve/server.mjs";
import { ask, askAlone, atOnce, needSame, wireBytes } from "./client.mjs";
import { start } from "./watch.mjs";

const kStreams = 8;
const kLong = { prompt: "Once upon a time", max_tokens: 1000, ignore_eos: true, stream: true };

const needAnswers = (server, requests) => atOnce(4, requests, async (request, i) => {
  const answer = await askAlone(server, request, {}, i % 2 === 0);
  needSame(answer, request);
});

async function kill(server) {
  server.process.kill("SIGKILL");
  await server.ended;
}

// Kills the server while it writes streams; none of them may look whole.
async function killInStreams(server) {
  let begun = 0;
  const streams = Array.from({ length: kStreams }, async (_, i) => {
    const connection = await Connection.open(server.port);
    let chunks = 0;
    const on_chunk = () => { if (++chunks === 3) ++begun; };
    await assert.rejects(ask(connection, wireBytes("/v1/completions", { ...kLong, seed: i }),
      { on_chunk }), /ended before|ended inside/);
  });
  const killed = (async () => {
    for (const end = Date.now() + 60000; begun < kStreams && Date.now() < end;) await sleep(5);
    await kill(server);
  })();
  await Promise.all([...streams, killed]);
  need(begun === kStreams, `${begun} streams had begun`);
}

// `folder`: for a socket and a cache.
export async function restartCases(cases, requests, folder) {
  const some = requests.slice(0, 16);
  const socket = path.join(folder, "socket");
  const first = await start();
  const places = {
    "a port": ["-t", "1", "--port", String(first.port)],
    "a Unix socket": ["-t", "1", "--socket", socket],
  };
  await first.stop();

  for (const [name, place] of Object.entries(places)) {
    await cases.check(`restart: ${name}, killed three times in the middle of streams`, async () => {
      for (let i = 0; i < 3; ++i) {
        const server = await start(...place);
        await needAnswers(server, some);
        await killInStreams(server);
      }
      const begin = performance.now();
      const server = await start(...place);
      const seconds = (performance.now() - begin) / 1000;
      await needAnswers(server, some);
      await assert.rejects(start(...place), /the server ended: [1-9].*cannot listen/s);
      await needAnswers(server, some.slice(0, 4));
      assert.equal(await server.stop(), 0);
      assert.ok(!existsSync(socket), "the socket's file is left");
      return `ready again after ${seconds.toFixed(2)} s`;
    });
  }

  await cases.check("restart: killed while it starts, with an empty cache folder", async () => {
    const cache = path.join(folder, "cache");
    for (let ms = 10; ms <= 200; ms += 10) {
      if (ms % 50 === 10) rmSync(cache, { recursive: true, force: true });
      const starting = spawn(bitnetc, ["serve", textModel, "--port", "0"],
        { env: { ...environment, XDG_CACHE_HOME: cache }, stdio: "ignore" });
      const ended = new Promise((resolve) => starting.on("close", resolve));
      await sleep(ms);
      starting.kill("SIGKILL");
      await ended;
      if (ms % 50 !== 0) continue;
      const server = await start("-t", "1", { XDG_CACHE_HOME: cache });
      await needAnswers(server, some);
      assert.equal(await server.stop(), 0);
    }
    const files = readdirSync(cache, { recursive: true });
    const temporary = files.filter((name) => name.includes(".tmp-"));
    assert.deepEqual(temporary, [], "left in the cache folder");
    return `${files.length} files and folders in it, none temporary`;
  });
}
