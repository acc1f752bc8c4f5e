// The openai library: completions, vectors, models, errors; and what the wire itself must bear.
import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { output } from "../harness.mjs";
import { textOf } from "./chat.mjs";
import { Server, bitnetc, chatTemplate, environment, textEncoder, textModel } from "./server.mjs";
import { ask, atOnce, collect, model, openaiOf, refusal, user } from "./stage.mjs";

const kKey = "a-key-of-the-tests";

function completionCases(cases, { openai, writer }) {
  const create = (body) => openai.completions.create(
    { model, prompt: "Once upon a time", seed: 7, max_tokens: 12, ...body });

  return [
    cases.check("completions: a text, texts, ids, lists of ids", async () => {
      const one = await create({});
      const two = await create({ prompt: ["Once upon a time", "The king"] });
      assert.equal(two.choices[0].text, one.choices[0].text);
      assert.deepEqual(two.choices.map((choice) => choice.index), [0, 1]);
      const { tokens: ids } = await (await fetch(`${writer.url}/tokenize`, { method: "POST",
        body: JSON.stringify({ prompt: "Once upon a time" }) })).json();
      assert.equal((await create({ prompt: ids })).choices[0].text, one.choices[0].text);
      const lists = await create({ prompt: [ids, ids.slice(0, 2)] });
      assert.equal(lists.choices[0].text, one.choices[0].text);
      assert.equal(lists.usage.prompt_tokens, ids.length + 2);
    }),
    cases.check("completions: echo with logprobs, an entry for every id", async () => {
      const { choices: [{ text, logprobs }] } = await create(
        { prompt: [5, 300, 700, 9], echo: true, logprobs: 2, max_tokens: 3, ignore_eos: true });
      assert.equal(logprobs.tokens.length, 7);
      assert.equal(logprobs.tokens.join(""), text);
      assert.equal(logprobs.token_logprobs[0], null);
      assert.ok(logprobs.token_logprobs.slice(1).every((each) => each <= 0));
      assert.ok(logprobs.top_logprobs.slice(1).every((map, i) =>
        Math.max(...Object.values(map)) >= logprobs.token_logprobs[i + 1]));
      assert.equal(logprobs.text_offset[4], [...logprobs.tokens.slice(0, 4).join("")].length);
      const echoed = await create({ prompt: "Once", echo: true });
      assert.ok(echoed.choices[0].text.startsWith("Once"));
    }),
    cases.check("completions: streamed as plain, and logprobs as chat has them", async () => {
      const plain = await create({ logprobs: 1, temperature: 0 });
      const chunks = await collect(await create({ logprobs: 1, temperature: 0, stream: true }));
      const joined = (name) => chunks.flatMap((chunk) => chunk.choices[0].logprobs?.[name] ?? []);
      assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), plain.choices[0].text);
      assert.deepEqual(joined("token_logprobs"), plain.choices[0].logprobs.token_logprobs);
      const rendered = await (await fetch(`${writer.url}/apply-template`, { method: "POST",
        body: JSON.stringify({ messages: ask }) })).json();
      const behind = await create({ prompt: rendered.prompt, logprobs: 1, temperature: 0 });
      const chat = await openai.chat.completions.create({ model, messages: ask, temperature: 0,
        max_tokens: 12, logprobs: true });
      assert.equal(textOf(chat), behind.choices[0].text);
      assert.deepEqual(chat.choices[0].logprobs.content.map((each) => each.logprob),
        behind.choices[0].logprobs.token_logprobs);
    }),
  ];
}

function vectorCases(cases, { openai, vectors }) {
  const texts = ["a fox", "a bear", "a fox", "three of them, and one more"];
  const create = (body) => vectors.embeddings.create(
    { model: "some/encoder:1", input: texts, ...body });

  return [
    cases.check("embeddings: base64 or numbers, both as bitnetc embed", async () => {
      const [coded, plain] = [await create({}), await create({ encoding_format: "float" })];
      const told = JSON.parse(output(bitnetc, ["embed", textEncoder, "--json",
        ...texts.flatMap((text) => ["-p", text])], { env: environment })).embeddings;
      for (const answer of [coded, plain]) {
        assert.deepEqual(answer.data.map((each) => each.index), [0, 1, 2, 3]);
        answer.data.forEach(({ embedding }, i) =>
          assert.deepEqual(embedding.map(Math.fround), told[i].embedding.map(Math.fround)));
      }
      assert.deepEqual(plain.data[0].embedding, plain.data[2].embedding);
      const length = Math.hypot(...plain.data[1].embedding);
      assert.ok(Math.abs(length - 1) < 1e-5, `length ${length}`);
    }),
    cases.check("embeddings: 64 texts in their order", async () => {
      const many = Array.from({ length: 64 }, (_, i) => texts[i % 4]);
      const [all, four] = [await create({ input: many }), await create({})];
      all.data.forEach(({ embedding }, i) =>
        assert.deepEqual(embedding, four.data[i % 4].embedding));
    }),
    cases.check("embeddings: another length is refused, so is a model of texts", async () => {
      const error = await refusal(create({ dimensions: 8 }));
      assert.deepEqual([error.status, error.param], [400, "dimensions"]);
      const writes = await refusal(openai.embeddings.create({ model, input: texts }));
      assert.equal(writes.status, 400);
    }),
  ];
}

function errorCases(cases, { openai, vectors, writer }) {
  const chat = (body) => openai.chat.completions.create({ model, messages: ask, ...body });

  return [
    cases.check("models: the list has one page, a model is found by its name", async () => {
      const names = [];
      for await (const each of openai.models.list()) names.push(each.id);
      assert.deepEqual(names, [model]);
      assert.equal((await openai.models.retrieve(model)).id, model);
      assert.equal((await vectors.models.retrieve("some/encoder:1")).id, "some/encoder:1");
      const error = await refusal(openai.models.retrieve("a/b:c"));
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, "model_not_found");
    }),
    cases.check("errors: a field, a route, a method, a body that is too large", async () => {
      for (const [body, param] of [[{ temperature: "hot" }, "temperature"], [{ n: 99 }, "n"],
        [{ top_logprobs: 21, logprobs: true }, "top_logprobs"], [{ messages: "hi" }, "messages"],
        [{ stop: Array(17).fill("x") }, "stop"], [{ logit_bias: { 99999: 1 } }, "logit_bias"]]) {
        const error = await refusal(chat(body));
        assert.ok(error instanceof OpenAI.BadRequestError, `${param}: ${error}`);
        assert.ok(error.param?.startsWith(param), `${error.param}, not ${param}`);
        assert.equal(error.type, "invalid_request_error");
      }
      const route = await refusal(openai.get("/nowhere"));
      assert.ok(route instanceof OpenAI.NotFoundError);
      const method = await fetch(`${writer.url}/v1/chat/completions`);
      assert.equal(method.status, 405);
      assert.match(method.headers.get("allow"), /POST/);
      const large = await refusal(chat({ messages: user("x".repeat(9 << 20)) }));
      assert.equal(large.status, 413);
    }),
    cases.check("errors: a prompt beyond the context, streamed or not", async () => {
      for (const stream of [false, true]) {
        const error = await refusal(chat({ messages: user("fox ".repeat(3000)), stream }));
        assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
        assert.equal(error.code, "context_length_exceeded");
        assert.match(error.message, /\d{4,}.* 1024/);
      }
      const error = await refusal(chat({ max_tokens: 2000 }));
      assert.equal(error.code, "context_length_exceeded");
    }),
    cases.check("keys: none, a wrong one, and the right one as either header", async () => {
      const server = await Server.start(textModel, "--chat-template", chatTemplate,
        "--api-key", kKey);
      const client = (apiKey) => openaiOf(server, { apiKey });
      const refused = await refusal(client("wrong").models.list());
      assert.ok(refused instanceof OpenAI.AuthenticationError);
      assert.equal((await fetch(`${server.url}/v1/models`)).status, 401);
      assert.equal((await client(kKey).models.list()).data[0].id, model);
      assert.equal((await fetch(`${server.url}/v1/models`,
        { headers: { "x-api-key": kKey } })).status, 200);
      assert.equal((await fetch(`${server.url}/health`)).status, 200);
      assert.equal(await server.stop(), 0);
    }),
    cases.check("a full queue: 429 with a time, and the library's own retry", async () => {
      const server = await Server.start(textModel, "--chat-template", chatTemplate,
        "--parallel", "1", "--max-queue", "1");
      const run = (client) => atOnce(5, Array(5).fill(0), () => client.chat.completions.create(
        { model, messages: ask, max_tokens: 120, ignore_eos: true }).catch((error) => error));
      const refused = (await run(openaiOf(server)))
        .filter((each) => each instanceof OpenAI.RateLimitError);
      assert.ok(refused.length > 0, "nobody was refused");
      assert.ok(Number(refused[0].headers.get("retry-after")) > 0);
      const retried = await run(openaiOf(server, { maxRetries: 20 }));
      assert.ok(retried.every((each) => textOf(each)), "a retry did not succeed");
      assert.equal(await server.stop(), 0);
    }),
    cases.check("a stream that fails in the middle is an exception", async () => {
      const server = await Server.start(textModel, "--chat-template", chatTemplate,
        "--timeout", "0.05", "-t", "1");
      const body = { model, messages: ask, max_tokens: 900, ignore_eos: true };
      const client = openaiOf(server);
      const raw = await refusal(client.chat.completions.create({ ...body, stream: true })
        .then(collect));
      assert.ok(raw instanceof OpenAI.APIError, `${raw}`);
      const helper = await refusal(client.chat.completions.stream(body).finalChatCompletion());
      assert.ok(helper instanceof OpenAI.APIError, `${helper}`);
      const long = { model, input: ask, max_output_tokens: 900, ignore_eos: true };
      const response = await refusal(client.responses.stream(long).finalResponse());
      assert.match(response.message, /--timeout/);  // the event itself is what is thrown
      const anthropic = new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0 });
      const message = await refusal(anthropic.messages.stream(body).finalMessage());
      assert.ok(message instanceof Anthropic.AnthropicError, `${message}`);
      const completions = { ...body, prompt: "Once", stream: true, messages: undefined };
      const completion = await refusal(client.completions.create(completions).then(collect));
      assert.ok(completion instanceof OpenAI.APIError, `${completion}`);
      assert.equal(await server.stop(), 0);
    }),
    cases.check("shutting down: what runs is finished, what comes is refused", async () => {
      const server = await Server.start(textModel, "--chat-template", chatTemplate,
        "--parallel", "1", "-t", "1");
      const client = openaiOf(server);
      const body = { model, messages: ask, max_tokens: 600, ignore_eos: true, seed: 1 };
      const running = await client.chat.completions.create({ ...body, stream: true });
      const chunks = collect(running);
      const waiting = client.chat.completions.create({ ...body, max_tokens: 4 })
        .catch((error) => error);
      while (await server.metric("vllm:num_requests_waiting") === 0) await sleep(5);
      const ended = server.stop();
      const health = () => fetch(`${server.url}/health`).then(({ ok }) => ok, () => false);
      while (await health()) await sleep(5);
      const late = await refusal(client.chat.completions.create(body));
      assert.ok(late.status === 503 || late instanceof OpenAI.APIConnectionError, `${late}`);
      assert.equal((await chunks).at(-1).choices[0].finish_reason, "length");
      const second = await waiting;
      assert.ok(second.status === 503 || textOf(second), `${second}`);
      assert.equal(await ended, 0);
    }),
    cases.check("a server that still loads: the library waits for it", async () => {
      const server = await Server.listening(textModel, "--chat-template", chatTemplate);
      const client = openaiOf(server, { maxRetries: 20 });
      const body = { model, messages: ask, max_tokens: 3 };
      assert.ok(textOf(await client.chat.completions.create(body)));
      assert.equal(await server.stop(), 0);
    }),
  ];
}

function wireCases(cases, { writer }) {
  // The answer, and the port that the request came from.
  const request = (options, agent) => new Promise((resolve, reject) => {
    http.request({ host: "127.0.0.1", port: writer.port, agent, ...options }, (answer) => {
      const { localPort: from } = answer.socket;
      answer.resume().on("end", () => resolve({ answer, from }));
    }).on("error", reject).end(options.body);
  });

  return [
    cases.check("wire: 500 requests on one connection", async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const ports = new Set();
      for (let i = 0; i < 500; ++i) {
        const { answer, from } = await request({ path: "/health" }, agent);
        assert.equal(answer.statusCode, 200);
        ports.add(from);
      }
      assert.equal(ports.size, 1);
      agent.destroy();
    }),
    cases.check("wire: a log that nobody reads loses lines and stops nothing", async () => {
      const child = spawn(bitnetc, ["serve", textModel, "--port", "0"], { env: environment });
      const ended = once(child, "exit");
      const [address] = await once(child.stdout.setEncoding("utf8"), "data");
      const port = Number(/:(\d+)\n/.exec(address)[1]);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 8000; ++i) await request({ path: "/health", port }, agent);
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
      for (let i = 0; i < 100 && !/lines of the log were dropped/.test(said); ++i) {
        await request({ path: "/health", port }, agent);
        await sleep(20);
      }
      assert.match(said, /\n\d+ lines of the log were dropped: nobody read stderr\n/);
      agent.destroy();
      child.kill();
      assert.deepEqual(await ended, [0, null]);
    }),
    cases.check("wire: names and origins of others are refused", async () => {
      const host = await request({ path: "/health", headers: { host: "evil.example" } });
      assert.equal(host.answer.statusCode, 403);
      const { answer: origin } = await request({ path: "/v1/chat/completions", method: "POST",
        body: "{}",
        headers: { origin: "http://evil.example", "content-type": "application/json" } });
      assert.equal(origin.statusCode, 403);
      assert.equal(origin.headers["access-control-allow-origin"], undefined);
    }),
  ];
}

export async function otherCases(cases, stage) {
  for (const group of [completionCases, vectorCases, errorCases, wireCases])
    await Promise.all(group(cases, stage));
}
