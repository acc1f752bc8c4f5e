// The openai library: texts of a given form.
import { Ajv2020 as Ajv } from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { LengthFinishReasonError } from "openai/core/error";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { streamedText, textOf } from "./chat.mjs";
import { schemas } from "./schemas.mjs";
import { Animal, animalSchema, ask, atOnce, collect, model, refusal, tools } from "./stage.mjs";

const kSeeds = 4;
const formatOf = (schema) =>
  ({ type: "json_schema", json_schema: { name: "form", strict: true, schema } });

export async function structuredCases(cases, { openai }) {
  const create = (body) => openai.chat.completions.create(
    { model, messages: ask, seed: 7, temperature: 1, max_tokens: 400, ...body });
  const ajv = new Ajv({ strict: false, allErrors: true });

  await cases.check("structured: texts of many schemas and seeds", async () => {
    const tasks = Object.entries(schemas).flatMap(([name, schema]) =>
      Array.from({ length: kSeeds }, (_, seed) => ({ name, schema, seed })));
    await atOnce(12, tasks, async ({ name, schema, seed }) => {
      const [choice] = (await create({ seed, response_format: formatOf(schema) })).choices;
      const { content } = choice.message;
      assert.equal(choice.finish_reason, "stop", `${name}, seed ${seed}: ${content}`);
      const fits = ajv.validate(schema, JSON.parse(content));
      assert.ok(fits, `${name}, seed ${seed}: ${content}: ${ajv.errorsText()}`);
    });
  });

  await cases.check("structured: streamed as plain, with logprobs", async () => {
    const body = { response_format: formatOf(animalSchema), logprobs: true };
    const plain = await create(body);
    const chunks = await collect(await create({ ...body, stream: true }));
    assert.equal(streamedText(chunks), textOf(plain));
    const bytes = plain.choices[0].logprobs.content.flatMap((each) => each.bytes);
    assert.equal(Buffer.from(bytes).toString(), textOf(plain));
  });

  await cases.check("structured: through zod, parsed and streamed", async () => {
    const body = { model, messages: ask, seed: 7, max_tokens: 300,
      response_format: zodResponseFormat(Animal, "animal") };
    const { parsed } = (await openai.chat.completions.parse(body)).choices[0].message;
    assert.deepEqual(Animal.parse(parsed), parsed);
    const final = await openai.chat.completions.stream(body).finalChatCompletion();
    assert.deepEqual(final.choices[0].message.parsed, parsed);
    const Wide = z.object({ count: z.number().int(), note: z.enum(["yes", "no"]).nullable() });
    const wide = await openai.chat.completions.parse(
      { ...body, response_format: zodResponseFormat(Wide, "wide") });
    Wide.parse(wide.choices[0].message.parsed);
  });

  await cases.check("structured: an answer that is cut is the library's own error", async () => {
    const error = await refusal(openai.chat.completions.parse({ model, messages: ask, max_tokens: 2,
      response_format: zodResponseFormat(Animal, "animal") }));
    assert.ok(error instanceof LengthFinishReasonError, `${error}`);
  });

  await cases.check("structured: json_object", async () => {
    const answer = await create({ response_format: { type: "json_object" }, max_tokens: 900 });
    if (answer.choices[0].finish_reason === "stop")
      assert.equal(typeof JSON.parse(textOf(answer)), "object");
    assert.match(textOf(answer), /^\s*\{/);
  });

  await cases.check("structured: with tools, the schema binds the text", async () => {
    const answer = await create(
      { tools, tool_choice: "none", response_format: formatOf(animalSchema) });
    assert.ok(ajv.validate(animalSchema, JSON.parse(textOf(answer))));
  });

  await cases.check("structured: what a schema cannot be is refused and named", async () => {
    for (const schema of [{ type: "object", properties: { a: { multipleOf: 3, type: "number" } } },
      { type: "strong" }, { $ref: "#/$defs/nothing" }]) {
      const error = await refusal(create({ response_format: formatOf(schema) }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${JSON.stringify(schema)}: ${error}`);
      assert.match(error.param, /^response_format/);
    }
  });

  await cases.check("structured: structured_outputs, regex and grammar", async () => {
    const regex = "(fox|bear) [0-9]{3}";
    for (const body of [{ structured_outputs: { regex } }, { regex }])
      assert.match(textOf(await create(body)), new RegExp(`^${regex}$`));
    const schema = await create({ structured_outputs: { json: animalSchema } });
    assert.ok(ajv.validate(animalSchema, JSON.parse(textOf(schema))));
    const grammar = await create({ grammar: 'root ::= "fox" [0-9] [0-9]' });
    assert.match(textOf(grammar), /^fox[0-9]{2}$/);
  });
}
