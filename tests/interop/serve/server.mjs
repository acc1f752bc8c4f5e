// bitnetc serve as a test needs it: on a free port, ready when it is handed over.
import { spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bin, source, work } from "../harness.mjs";

export const bitnetc = path.join(bin, "bitnetc");
export const environment = { ...process.env, XDG_CACHE_HOME: path.join(work, "cache") };
export const textModel = path.join(source, "tools/models/fairytale-6m");
export const textEncoder = path.join(source, "tests/golden/data/families/embedding-qwen3");
export const chatTemplate = path.join(source, "tests/interop/serve/chat.jinja");

// A test that is ended leaves no server behind.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

export class Server {
  // Options as on the command line, then perhaps an object of environment variables; an exception
  // with what the server said if it ends at once.
  static async start(model, ...options) {
    const server = await Server.listening(model, ...options);
    while (!(await fetch(`${server.url}/health`)).ok) await sleep(20);
    return server;
  }

  // As start(), but the model may still be loading. With --socket, which start() cannot ask, `port`
  // is its path.
  static async listening(model, ...options) {
    const server = new Server();
    const variables = typeof options.at(-1) === "object" ? options.pop() : {};
    if (!options.includes("--port") && !options.includes("--socket")) options.push("--port", "0");
    server.process = spawn(bitnetc, ["serve", model, "--log-format", "none", ...options],
      { env: { ...environment, ...variables }, stdio: ["ignore", "pipe", "pipe"] });
    server.said = "";
    server.ended = new Promise((resolve) => server.process.on("close", resolve));
    const kill = () => server.process.kill("SIGKILL");
    process.on("exit", kill);
    server.ended.then(() => process.off("exit", kill));
    server.port = await new Promise((resolve, reject) => {
      for (const stream of [server.process.stdout, server.process.stderr])
        stream.setEncoding("utf8").on("data", (text) => {
          server.said += text;
          const address =
            / is served at (?:http:\/\/127\.0\.0\.1:(\d+)|unix:(.+))\n/.exec(server.said);
          if (address) resolve(address[2] ?? Number(address[1]));
        });
      server.ended.then((code) => reject(new Error(`the server ended: ${code}: ${server.said}`)));
    });
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
  }

  // The value of a gauge or counter without labels.
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    if (!line) throw new Error(`/metrics has no ${name}`);
    return Number(line.slice(name.length));
  }

  // Whether nobody is being answered any more within `seconds`.
  async becomesIdle(seconds = 2) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(10))
      if (await this.metric("vllm:num_requests_running") === 0) return true;
    return false;
  }

  // Ends the server as an administrator would, and returns its exit code.
  async stop() {
    this.process.kill("SIGTERM");
    return this.ended;
  }
}
