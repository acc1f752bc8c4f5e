// Servers that the page is shown with: bitnetc itself, and a stage in front of it whose page is
// bitnetc's and whose answers are what a test says.
import { spawn } from "node:child_process";
import http from "node:http";
import path from "node:path";
import { bin, work } from "../harness.mjs";

// `bitnetc serve` with the bundled model: its address, and how it is ended. Options as on the
// command line, then perhaps an object of environment variables.
export async function startBitnetc(...options) {
  const variables = typeof options.at(-1) === "object" ? options.pop() : {};
  const child = spawn(path.join(bin, "bitnetc"),
    ["serve", "--port", "0", "--log-format", "none", "-t", "1", ...options],
    { env: { ...process.env, XDG_CACHE_HOME: path.join(work, "cache"), ...variables } });
  let said = "", complaints = "";
  child.stderr.on("data", (bytes) => { complaints += bytes; });
  const url = await new Promise((resolve, reject) => {
    child.on("exit", (code) =>
      reject(new Error(`bitnetc serve ended with ${code}: ${complaints}`)));
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const at = /is served at (\S+)\n/.exec(said);
      if (at) resolve(at[1]);
    });
  });
  const close = () => new Promise((resolve) => { child.on("exit", resolve); child.kill(); });
  return { url, close };
}

const kPage = ["/", "/page.css", "/page.js", "/icon.svg"];

export const model = (more = {}) => ({ id: "scripted", object: "model",
  meta: { has_chat_template: true, is_text_encoder: false }, ...more });

export class Stage {
  requests = [];  // of answers: {path, key, body}
  play = null;    // async (answer, request): what a request for an answer gets
  models = [model()];
  loads = 0;      // requests that are told before that the model is being loaded
  #server = http.createServer((request, response) => this.#serve(request, response));

  static async start(bitnetc) {
    const stage = new Stage();
    stage.bitnetc = bitnetc;
    await new Promise((resolve) => { stage.#server.listen(0, "127.0.0.1", resolve); });
    stage.url = `http://127.0.0.1:${stage.#server.address().port}`;
    return stage;
  }

  close() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => { this.#server.close(resolve); });
  }

  async #serve(request, response) {
    if (kPage.includes(request.url)) {
      const file = await fetch(this.bitnetc + request.url);
      response.writeHead(file.status, Object.fromEntries(
        [...file.headers].filter(([name]) => !["connection", "keep-alive"].includes(name))));
      response.end(Buffer.from(await file.arrayBuffer()));
      return;
    }
    const answer = new StageAnswer(response);
    if (this.loads > 0 && this.loads--) return answer.loading();
    if (request.url === "/v1/models") return answer.json(200, { data: this.models });
    if (request.url === "/props")
      return answer.json(200, { default_generation_settings: { params: { temperature: 0.25 } } });
    let text = "";
    for await (const bytes of request) text += bytes;
    this.requests.push({ path: request.url, key: request.headers.authorization,
      body: JSON.parse(text) });
    await this.play(answer, this.requests.at(-1));
  }
}

class StageAnswer {
  tokens = 0;
  isGone = false;  // the client, before the end
  constructor(response) {
    this.response = response;
    response.on("close", () => { this.isGone = !response.writableEnded; });
  }

  json(status, document, headers = {}) {
    this.response.writeHead(status, { "content-type": "application/json", ...headers });
    this.response.end(JSON.stringify(document));
  }
  error(status, message, { code = null, headers = {} } = {}) {
    this.json(status, { error: { message, type: "some_error", param: null, code } }, headers);
  }

  loading() {
    this.error(503, "the model is being loaded", { headers: { "retry-after": "1" } });
  }

  // A chunk of a stream: a token of an answer in chat, or of a plain completion.
  event(document) {
    if (!this.response.headersSent)
      this.response.writeHead(200, { "content-type": "text/event-stream" });
    this.response.write(`data: ${JSON.stringify(document)}\n\n`);
  }
  token(text, { isPlain = false, finish = null } = {}) {
    ++this.tokens;
    const choice = isPlain ? { text } : { delta: { content: text } };
    this.event({ choices: [{ index: 0, ...choice, finish_reason: finish }], usage: this.usage() });
  }
  thought(text) {
    ++this.tokens;
    this.event({ choices: [{ index: 0, delta: { reasoning_content: text }, finish_reason: null }],
      usage: this.usage() });
  }
  usage() {
    return { prompt_tokens: 7, completion_tokens: this.tokens,
      prompt_tokens_details: { cached_tokens: 3 } };
  }
  end(finish = "stop") {
    this.event({ choices: [{ index: 0, delta: {}, finish_reason: finish }], usage: this.usage() });
    this.event({ choices: [], usage: this.usage() });
    this.response.end("data: [DONE]\n\n");
  }
  // What was written goes out, then the connection ends without the last chunk.
  async break() {
    await new Promise((resolve) => { this.response.write(": bye\n\n", resolve); });
    this.response.socket.destroySoon();
  }
}

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Words of an answer, one a token.
export const saying = (...words) => async (answer) => {
  for (const word of words) {
    answer.token(word);
    await pause(5);
  }
  answer.end();
};

// Goes on until the client goes.
export const babbling = async (answer) => {
  while (!answer.isGone) {
    answer.token(`word${answer.tokens} `);
    await pause(10);
  }
};
