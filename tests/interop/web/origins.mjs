// Pages of other origins, as Chromium lets them use bitnetc: what --cors-origin names may, with
// OpenAI's client, and nobody else.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startBitnetc } from "./stage.mjs";

const kClient = path.dirname(fileURLToPath(import.meta.resolve("openai")));
const kTypes = { ".mjs": "text/javascript", ".html": "text/html" };

// An origin with an empty page and the modules of OpenAI's client.
async function startOrigin() {
  const server = http.createServer(async (request, response) => {
    const name = new URL(request.url, "http://localhost").pathname;
    try {
      const body = name === "/page.html" ? "<!doctype html><title>elsewhere</title>"
        : await readFile(path.join(kClient, name));
      response.writeHead(200, { "content-type": kTypes[path.extname(name)] ?? "text/plain" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

// What a page of `origin` gets from OpenAI's client when it streams a completion from `server`.
async function streamIn(browser, origin, server) {
  const page = await browser.chromium.newPage();
  await page.goto(`${origin.url}/page.html`);
  return page.evaluate(async (url) => {
    const { OpenAI } = await import("/index.mjs");
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "secret", maxRetries: 0,
      dangerouslyAllowBrowser: true });
    try {
      const { data, response } = await client.completions.create({ model: "fairytale-6m",
        prompt: "Once upon a time", max_tokens: 12, temperature: 0, stream: true,
        metadata: { ignored: "yes" } }).withResponse();
      let text = "";
      for await (const each of data) text += each.choices[0]?.text ?? "";
      return { text, id: response.headers.get("x-request-id"),
        ignored: response.headers.get("x-bitnetc-ignored") };
    } catch (error) {
      return { error: error.constructor.name };
    }
  }, server.url);
}

export const originCases = {
  async "a page of an origin that is named uses OpenAI's client, others may not"({ browser }) {
    const [named, other] = [await startOrigin(), await startOrigin()];
    const server = await startBitnetc("--api-key", "secret", "--cors-origin", named.url);
    const { text, id, ignored, error } = await streamIn(browser, named, server);
    assert.equal(error, undefined);
    const answer = await fetch(`${server.url}/v1/completions`, { method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer secret" },
      body: JSON.stringify({ prompt: "Once upon a time", max_tokens: 12, temperature: 0 }) });
    assert.equal(text, (await answer.json()).choices[0].text);
    assert.ok(id, "a page may read x-request-id");
    assert.equal(ignored, "metadata");
    assert.deepEqual(await streamIn(browser, other, server), { error: "APIConnectionError" });
    await server.close();

    const closed = await startBitnetc("--api-key", "secret");
    assert.deepEqual(await streamIn(browser, named, closed), { error: "APIConnectionError" });
    await closed.close();
    await named.close();
    await other.close();
  },
};
