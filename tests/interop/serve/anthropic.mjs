// The anthropic library: messages, plain and streamed, counting, tools and schemas.
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import assert from "node:assert/strict";
import { z } from "zod";
import { textOf } from "./chat.mjs";
import { animalSchema, ask, collect, model, refusal, tools, user } from "./stage.mjs";

const kTools = tools.map(({ function: { name, description, parameters } }) =>
  ({ name, description, input_schema: parameters }));

export async function anthropicCases(cases, { openai, writer }) {
  const client = new Anthropic({ baseURL: writer.url, apiKey: "none", maxRetries: 0 });
  const body = { model, messages: ask, max_tokens: 24, temperature: 0 };
  const create = (more) => client.messages.create({ ...body, ...more });
  const toolBody = { ...body, tools: kTools, max_tokens: 200 };

  await cases.check("anthropic: a text, its usage, its end; as chat writes it", async () => {
    const message = await create({ system: "Be brief." });
    assert.equal(message.content[0].type, "text");
    assert.equal(message.stop_reason, "max_tokens");
    assert.equal(message.usage.output_tokens, 24);
    const chat = await openai.chat.completions.create({ ...body,
      messages: [{ role: "system", content: "Be brief." }, ...ask] });
    assert.equal(message.content[0].text, textOf(chat));
    const whole = await create({ stop_sequences: [" "], max_tokens: 99 });
    assert.deepEqual([whole.stop_reason, whole.stop_sequence], ["stop_sequence", " "]);
  });

  await cases.check("anthropic: streamed as plain, raw and with the helper", async () => {
    const plain = await create({});
    const events = await collect(await create({ stream: true }));
    const text = events.filter((event) => event.type === "content_block_delta")
      .map((event) => event.delta.text).join("");
    assert.equal(text, plain.content[0].text);
    const { usage } = events.find((event) => event.type === "message_delta");
    assert.equal(usage.output_tokens, plain.usage.output_tokens);
    assert.equal(usage.input_tokens, plain.usage.input_tokens);
    const final = await client.messages.stream(body).finalMessage();
    assert.deepEqual(final.content, plain.content);
    assert.equal(final.stop_reason, plain.stop_reason);
    assert.equal(final.usage.input_tokens, plain.usage.input_tokens);
  });

  await cases.check("anthropic: tokens are counted as messages counts them", async () => {
    const { usage } = await create({ system: "x" });
    const count = await client.messages.countTokens({ model, messages: ask, system: "x" });
    assert.equal(count.input_tokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0) +
      (usage.cache_creation_input_tokens ?? 0));
  });

  await cases.check("anthropic: parts, cache_control, models, errors", async () => {
    const parts = await create({ messages: user([{ type: "text", text: "Hi",
      cache_control: { type: "ephemeral" } }]) });
    assert.ok(parts.content[0].text);
    assert.ok((await client.models.list()).data.length > 0);
    const error = await refusal(create({ max_tokens: -1 }));
    assert.ok(error instanceof Anthropic.BadRequestError, `${error}`);
    assert.equal(error.error.error.type, "invalid_request_error");
    const long = await refusal(create({ messages: user("fox ".repeat(3000)), stream: true }));
    assert.ok(long instanceof Anthropic.BadRequestError, `${long}`);
  });

  await cases.check("anthropic: a stream that is aborted", async () => {
    const stream = await create({ stream: true, max_tokens: 900 });
    for await (const event of stream)
      if (event.type === "content_block_delta") stream.controller.abort();
    assert.ok(await writer.becomesIdle());
  });

  await cases.check("anthropic: beta calls and bearer tokens go the same way", async () => {
    const bearer = new Anthropic({ baseURL: writer.url, authToken: "none", apiKey: null });
    const beta = await bearer.beta.messages.create({ ...body, betas: ["x-2026-01-01"] });
    assert.deepEqual(beta.content, (await create({})).content);
  });

  await cases.check("anthropic: any tool is called, streamed as plain", async () => {
    const one = { ...toolBody, tool_choice: { type: "any", disable_parallel_tool_use: true } };
    const plain = await client.messages.create(one);
    assert.equal(plain.stop_reason, "tool_use");
    const call = plain.content.find((block) => block.type === "tool_use");
    assert.ok(kTools.some((tool) => tool.name === call.name));
    const final = await client.messages.stream(one).finalMessage();
    const again = final.content.find((block) => block.type === "tool_use");
    assert.deepEqual(again.input, call.input);
    assert.notEqual(again.id, call.id);
    const answer = await client.messages.create({ ...toolBody, max_tokens: 12,
      tool_choice: { type: "none" }, messages: [...ask,
        { role: "assistant", content: plain.content },
        ...user([{ type: "tool_result", tool_use_id: call.id, content: "done" }])] });
    assert.equal(answer.content[0].type, "text");
  });

  await cases.check("anthropic: a tool by its name", async () => {
    const { content } = await client.messages.create({ ...toolBody,
      tool_choice: { type: "tool", name: "get_weather", disable_parallel_tool_use: true } });
    const calls = content.filter((block) => block.type === "tool_use");
    assert.deepEqual(calls.map((call) => call.name), ["get_weather"]);
    assert.ok(["wood", "field", "sea"].includes(calls[0].input.place));
  });

  await cases.check("anthropic: output_config.format", async () => {
    const message = await create({ max_tokens: 200,
      output_config: { format: { type: "json_schema", schema: animalSchema } } });
    const animal = JSON.parse(message.content[0].text);
    assert.deepEqual(Object.keys(animal).sort(), ["age", "name"]);
    // The library leaves bounds of numbers out of what it sends.
    const Pet = z.object({ name: z.enum(["fox", "bear"]), tame: z.boolean() });
    const parsed = await client.messages.parse({ ...body, max_tokens: 200,
      output_config: { format: zodOutputFormat(Pet) } });
    assert.deepEqual(Pet.parse(parsed.parsed_output), parsed.parsed_output);
  });
}
