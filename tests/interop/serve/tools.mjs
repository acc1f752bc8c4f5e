// The openai library: calls of tools, plain and streamed.
import { Ajv2020 as Ajv } from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { schemas } from "./schemas.mjs";
import { ask, atOnce, collect, model, named, refusal, tools } from "./stage.mjs";

const ajv = new Ajv({ strict: false });
const validators = new Map(tools.map(({ function: each }) =>
  [each.name, ajv.compile(each.parameters)]));

function checkCalls(calls) {
  for (const { id, function: { name, arguments: text } } of calls) {
    assert.ok(validators.get(name)?.(JSON.parse(text)), `${name}(${text})`);
    assert.match(id, /./);
  }
  assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
}

// The calls of a plain answer, which are checked.
function callsOf(completion) {
  const [{ message, finish_reason: finish }] = completion.choices;
  assert.equal(finish, "tool_calls");
  assert.ok(message.tool_calls.length > 0);
  checkCalls(message.tool_calls);
  return message.tool_calls;
}

const written = (calls) => calls.map((call) => [call.function.name, call.function.arguments]);

export async function toolCases(cases, { openai }) {
  const body = { model, messages: ask, tools, seed: 7, temperature: 1, max_tokens: 300 };
  const create = (more) => openai.chat.completions.create({ ...body, ...more });

  const one = { tool_choice: "required", parallel_tool_calls: false };

  await cases.check("tools: required, 20 seeds, streamed as plain", async () => {
    await atOnce(8, Array(20).fill(0), async (_, seed) => {
      const calls = callsOf(await create({ ...one, seed }));
      assert.equal(calls.length, 1);
      const helper = openai.chat.completions.stream({ ...body, ...one, seed });
      const streamed = callsOf(await helper.finalChatCompletion());
      assert.deepEqual(written(streamed), written(calls));
    });
  });

  await cases.check("tools: several calls in one answer", async () => {
    const found = await atOnce(8, Array(8).fill(0), async (_, seed) => {
      const { message, finish_reason: finish } =
        (await create({ tool_choice: "required", seed })).choices[0];
      checkCalls(finish === "length" ? message.tool_calls.slice(0, -1) : message.tool_calls);
      return message.tool_calls.length;
    });
    assert.ok(found.some((count) => count > 2), `numbers of calls: ${found}`);
  });

  await cases.check("tools: arguments of many schemas", async () => {
    const objects = Object.entries(schemas).filter(([, schema]) => schema.type === "object");
    const tasks = objects.flatMap(([name, parameters]) => [0, 1, 2].map((seed) => ({ seed, name,
      parameters, tool: { type: "function", function: { name, parameters } } })));
    const all = objects.map(([name, parameters]) =>
      ({ type: "function", function: { name, parameters } }));
    await atOnce(8, tasks, async ({ seed, name, parameters, tool }) => {
      const some = [tool, all.find((each) => each.function.name !== name)];
      const { choices: [{ message: { tool_calls: calls } }] } = await create(
        { tools: some, tool_choice: named(name), seed });
      for (const call of calls) {
        assert.equal(call.function.name, name);
        const fits = ajv.validate(parameters, JSON.parse(call.function.arguments));
        assert.ok(fits, `${name}: ${call.function.arguments}: ${ajv.errorsText()}`);
      }
    });
  });

  await cases.check("tools: deltas have an index, the name comes once", async () => {
    const chunks = await collect(await create({ ...one, stream: true }));
    const deltas = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
    assert.ok(deltas.length > 2, "the arguments come in one piece");
    const first = new Set();
    for (const delta of deltas) {
      assert.ok(Number.isInteger(delta.index));
      assert.equal(delta.function.name !== undefined, !first.has(delta.index));
      assert.equal(delta.id !== undefined, !first.has(delta.index));
      first.add(delta.index);
    }
    assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
    assert.ok(chunks.every((chunk) => !chunk.choices[0].delta.content));
  });

  await cases.check("tools: one by its name, and one that is not there", async () => {
    const calls = callsOf(await create({ ...one, tool_choice: named("get_weather") }));
    assert.deepEqual(calls.map((call) => call.function.name), ["get_weather"]);
    const error = await refusal(create({ tool_choice: named("nobody") }));
    assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
    assert.match(error.param, /^tool_choice/);
    const none = await refusal(create({ tools: undefined, tool_choice: "required" }));
    assert.ok(none instanceof OpenAI.BadRequestError, `${none}`);
  });

  await cases.check("tools: none, and auto", async () => {
    const none = await create({ tool_choice: "none", max_tokens: 12 });
    assert.ok(none.choices[0].message.content && !none.choices[0].message.tool_calls);
    const auto = await create({ tool_choice: "auto", max_tokens: 24 });
    assert.ok(["stop", "length", "tool_calls"].includes(auto.choices[0].finish_reason));
  });

  await cases.check("tools: a call that is cut is no call", async () => {
    const body = { tool_choice: "required", max_tokens: 4 };
    assert.equal((await create(body)).choices[0].finish_reason, "length");
    const chunks = await collect(await create({ ...body, stream: true }));
    assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
  });

  await cases.check("tools: a loop of 5 calls with results, through runTools()", async () => {
    const few = { ...one, tools: tools.slice(1), max_tokens: 100 };
    const messages = [...ask];
    for (let round = 0; round < 5; ++round) {
      const answer = (await create({ ...few, messages, seed: round })).choices[0].message;
      messages.push(answer, { role: "tool", tool_call_id: answer.tool_calls[0].id,
        content: `result ${round}` });
    }
    const last = await create({ ...few, messages, tool_choice: "none", max_tokens: 12 });
    assert.ok(last.choices[0].message.content);
    let count = 0;
    const runnable = few.tools.map((tool) => ({ ...tool, function: { ...tool.function,
      parse: JSON.parse, function: () => `result ${++count}` } }));
    const runner = openai.chat.completions.runTools({ ...body, ...few, tools: runnable,
      tool_choice: named("get_weather") }, { maxChatCompletions: 2 });
    await runner.done();
    assert.equal(count, 1);
  });
}
