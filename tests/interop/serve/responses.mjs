// The openai library: responses, plain, streamed, with its helper, with tools and schemas.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { Animal, ask, collect, model, refusal, tools } from "./stage.mjs";

const flat = tools.map(({ function: each }) => ({ type: "function", ...each }));

export async function responseCases(cases, { openai }) {
  const create = (body) => openai.responses.create(
    { model, input: "Tell me of a fox.", max_output_tokens: 24, seed: 7, ...body });

  await cases.check("responses: a text, its usage and its end", async () => {
    const cut = await create({ ignore_eos: true, instructions: "Be brief." });
    assert.ok(cut.output_text.length > 0);
    assert.equal(cut.status, "incomplete");
    assert.equal(cut.incomplete_details.reason, "max_output_tokens");
    assert.equal(cut.usage.output_tokens, 24);
    assert.equal(cut.usage.input_tokens + 24, cut.usage.total_tokens);
    const whole = await create({ stop: " ", max_output_tokens: 200 });
    assert.equal(whole.status, "completed");
    assert.equal(whole.output[0].role, "assistant");
  });

  await cases.check("responses: streamed as plain, events counted and in their order", async () => {
    const events = await collect(await create({ stream: true }));
    events.forEach((event, i) => assert.equal(event.sequence_number, i));
    const types = events.map((event) => event.type);
    assert.deepEqual(types.filter((type, i) => type !== types[i - 1]), ["response.created",
      "response.in_progress", "response.output_item.added", "response.content_part.added",
      "response.output_text.delta", "response.output_text.done", "response.content_part.done",
      "response.output_item.done", types.at(-1)]);
    const text = events.filter((event) => event.type === "response.output_text.delta")
      .map((event) => event.delta).join("");
    const plain = await create({});
    assert.equal(text, plain.output_text);
    assert.equal(types.at(-1), `response.${plain.status}`);
    assert.equal(events.at(-1).response.output[0].content[0].text, text);
  });

  await cases.check("responses: the helper's final response", async () => {
    const helper = openai.responses.stream(
      { model, input: ask, max_output_tokens: 24, seed: 7 });
    const final = await helper.finalResponse();
    assert.equal(final.output_text, (await create({})).output_text);
  });

  await cases.check("responses: a conversation, and what is kept nowhere", async () => {
    const input = [{ role: "user", content: "Hi" }, { role: "assistant", content: "Yes?" },
      { role: "user", content: [{ type: "input_text", text: "Go on" }] }];
    assert.ok((await create({ input })).output_text);
    for (const field of ["previous_response_id", "conversation", "background"]) {
      const error = await refusal(create({ [field]: field === "background" ? true : "resp_1" }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${field}: ${error}`);
      assert.equal(error.param, field);
    }
  });

  await cases.check("responses: tokens are counted as create() counts them", async () => {
    const { input_tokens: count } = await openai.responses.inputTokens.count(
      { model, input: ask, instructions: "Be brief." });
    const { usage } = await create({ input: ask, instructions: "Be brief." });
    assert.equal(count, usage.input_tokens);
  });

  await cases.check("responses: a schema through zod", async () => {
    const parsed = await openai.responses.parse({ model, input: "A fox", seed: 5,
      text: { format: zodTextFormat(Animal, "animal") } });
    assert.deepEqual(parsed.output_parsed, Animal.parse(parsed.output_parsed));
  });

  await cases.check("responses: a call of a tool and its result, streamed as plain", async () => {
    const body = { tools: flat, tool_choice: "required", max_output_tokens: 200 };
    const plain = await create(body);
    const call = plain.output.find((item) => item.type === "function_call");
    assert.ok(flat.some((tool) => tool.name === call.name));
    assert.ok(call.call_id && call.id !== call.call_id);
    const helper = openai.responses.stream({ model, input: "Tell me of a fox.", seed: 7, ...body });
    let parts = "";
    helper.on("response.function_call_arguments.delta", (event) => { parts += event.delta; });
    const final = await helper.finalResponse();
    const streamed = final.output.filter((item) => item.type === "function_call");
    assert.equal(streamed.map((item) => item.arguments).join(""), parts);
    assert.equal(streamed[0].arguments, call.arguments);
    assert.equal(streamed[0].name, call.name);
    const answer = await create({ tools: flat, tool_choice: "none", input: [
      { role: "user", content: "Tell me of a fox." }, call,
      { type: "function_call_output", call_id: call.call_id, output: "done" }] });
    assert.ok(answer.output_text);
  });

  await cases.check("responses: a tool by its name", async () => {
    const { output } = await create({ tools: flat, max_output_tokens: 200,
      tool_choice: { type: "function", name: "get_weather" }, parallel_tool_calls: false });
    assert.deepEqual(output.map((item) => item.name ?? item.type), ["get_weather"]);
  });
}
