// Vercel's AI SDK and LangChain.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { embedMany, generateObject, generateText, streamObject, streamText, tool } from "ai";
import assert from "node:assert/strict";
import { z } from "zod";
import { streamedText, textOf } from "./chat.mjs";
import { Animal, ask, atOnce, collect, model, refusal } from "./stage.mjs";

const kPrompt = ask[0].content;
const Place = z.object({ place: z.enum(["wood", "field", "sea"]) });

export async function aiSdkCases(cases, { openai, writer, encoder, vectors }) {
  const provider = createOpenAICompatible({ name: "bitnetc", baseURL: `${writer.url}/v1`,
    apiKey: "none", includeUsage: true, supportsStructuredOutputs: true });
  const common = { model: provider(model), prompt: kPrompt, maxRetries: 0, seed: 7,
    maxOutputTokens: 24 };
  const plain = () => openai.chat.completions.create(
    { model, messages: ask, seed: 7, max_tokens: 24 });

  await cases.check("ai sdk: generateText", async () => {
    const { text, usage, finishReason } = await generateText(common);
    const expected = await plain();
    assert.equal(text, textOf(expected));
    assert.equal(usage.outputTokens, expected.usage.completion_tokens);
    assert.equal(finishReason, expected.choices[0].finish_reason);
  });

  await cases.check("ai sdk: streamText", async () => {
    const stream = streamText(common);
    const parts = await collect(stream.textStream);
    assert.equal(parts.join(""), textOf(await plain()));
    assert.equal((await stream.usage).outputTokens, (await plain()).usage.completion_tokens);
    assert.ok(["stop", "length"].includes(await stream.finishReason));
  });

  await cases.check("ai sdk: an aborted stream, an error", async () => {
    const controller = new AbortController();
    const stream = streamText({ ...common, maxOutputTokens: 900, abortSignal: controller.signal });
    for await (const part of stream.textStream) if (part) controller.abort();
    assert.ok(await writer.becomesIdle());
    const error = await refusal(generateText({ ...common, prompt: "fox ".repeat(3000) }));
    assert.equal(error.statusCode, 400, `${error}`);
  });

  await cases.check("ai sdk: completions and embeddings", async () => {
    const { text } = await generateText({ ...common, model: provider.completionModel(model) });
    assert.ok(text.length > 0);
    const { embeddingModel } = createOpenAICompatible(
      { name: "bitnetc", baseURL: `${encoder.url}/v1`, apiKey: "none" });
    const values = ["a fox", "a bear", "a fox"];
    const { embeddings } = await embedMany({ model: embeddingModel("some/encoder:1"), values });
    const { data } = await vectors.embeddings.create({ model: "some/encoder:1", input: values,
      encoding_format: "float" });
    assert.deepEqual(embeddings, data.map((each) => each.embedding));
  });

  const whole = { ...common, maxOutputTokens: 300 };
  await cases.check("ai sdk: generateObject and streamObject", async () => {
    const { object } = await generateObject({ ...whole, schema: Animal });
    Animal.parse(object);
    const stream = streamObject({ ...whole, schema: Animal });
    await collect(stream.partialObjectStream);
    assert.deepEqual(await stream.object, object);
  });

  await cases.check("ai sdk: tools", async () => {
    const tools = { get_weather: tool({ description: "The weather", inputSchema: Place,
      execute: async ({ place }) => `rain in the ${place}` }) };
    const one = createOpenAICompatible({ name: "bitnetc", baseURL: `${writer.url}/v1`,
      transformRequestBody: (body) => ({ ...body, parallel_tool_calls: false }) });
    const common = { ...whole, model: one(model), tools };
    const made = await generateText({ ...common, toolChoice: "required" });
    assert.equal(made.toolCalls.length, 1);
    assert.equal(made.toolCalls[0].toolName, "get_weather");
    Place.parse(made.toolCalls[0].input);
    assert.match(made.toolResults[0].output, /^rain in the/);
    const stream = streamText({ ...common,
      toolChoice: { type: "tool", toolName: "get_weather" } });
    const parts = await collect(stream.fullStream);
    assert.ok(parts.some((part) => part.type === "tool-call" && Place.parse(part.input)));
    assert.equal(await stream.finishReason, "tool-calls");
  });
}

export async function langChainCases(cases, { openai, writer, encoder }) {
  const configuration = { baseURL: `${writer.url}/v1` };
  const chat = (more) => new ChatOpenAI({ model, apiKey: "none", configuration, maxRetries: 0,
    maxTokens: 24, modelKwargs: { seed: 7 }, ...more });
  const plain = () => openai.chat.completions.create(
    { model, messages: ask, seed: 7, max_tokens: 24 });

  await cases.check("langchain: invoke", async () => {
    const message = await chat().invoke(kPrompt);
    const expected = await plain();
    assert.equal(message.content, textOf(expected));
    assert.equal(message.usage_metadata.total_tokens, expected.usage.total_tokens);
  });

  await cases.check("langchain: stream", async () => {
    const chunks = await collect(await chat({ streamUsage: true }).stream(kPrompt));
    assert.equal(chunks.map((chunk) => chunk.content).join(""), textOf(await plain()));
    const raw = await collect(await openai.chat.completions.create(
      { model, messages: ask, seed: 7, max_tokens: 24, stream: true }));
    assert.equal(chunks.map((chunk) => chunk.content).join(""), streamedText(raw));
  });

  await cases.check("langchain: completions and responses", async () => {
    const llm = new OpenAI({ model, apiKey: "none", configuration, maxTokens: 8, maxRetries: 0 });
    assert.ok((await llm.invoke("Once upon a time")).length > 0);
    const message = await chat({ useResponsesApi: true }).invoke(kPrompt);
    const response = await openai.responses.create({ model, input: ask, seed: 7,
      max_output_tokens: 24 });
    assert.equal(message.text, response.output_text);
  });

  await cases.check("langchain: embeddings in the order of the texts", async () => {
    const embeddings = new OpenAIEmbeddings({ model: "some/encoder:1", apiKey: "none",
      configuration: { baseURL: `${encoder.url}/v1` }, batchSize: 2, maxRetries: 0 });
    const vectors = await embeddings.embedDocuments(["a fox", "a bear", "a fox"]);
    assert.deepEqual(vectors[0], vectors[2]);
    assert.notDeepEqual(vectors[0], vectors[1]);
    assert.deepEqual(await embeddings.embedQuery("a bear"), vectors[1]);
  });

  for (const method of ["jsonSchema", "functionCalling"])
    await cases.check(`langchain: withStructuredOutput, ${method}`, async () => {
      const bound = chat({ maxTokens: 300 }).withStructuredOutput(Animal, { method, name: "a" });
      Animal.parse(await bound.invoke(kPrompt));
    });

  await cases.check("langchain: withStructuredOutput, jsonMode", async () => {
    // Any object at all: where the model comes to no end, the text is cut and cannot be parsed.
    const found = await atOnce(4, Array(12).fill(0), async (_, seed) => {
      const bound = chat({ maxTokens: 500, modelKwargs: { seed } }).withStructuredOutput(
        z.record(z.string(), z.any()), { method: "jsonMode" });
      return bound.invoke(kPrompt).catch((error) => {
        assert.match(`${error}`, /parse/i);
        return null;
      });
    });
    assert.ok(found.some((each) => each !== null && typeof each === "object"), "none had an end");
  });

  await cases.check("langchain: bindTools, plain and streamed", async () => {
    const bound = chat({ maxTokens: 300 }).bindTools([{ type: "function", function: {
      name: "get_weather", description: "The weather", parameters: z.toJSONSchema(Place) } }],
    { tool_choice: "get_weather" });
    const message = await bound.invoke(kPrompt);
    Place.parse(message.tool_calls[0].args);
    const chunks = await collect(await bound.stream(kPrompt));
    const joined = chunks.reduce((sum, chunk) => sum.concat(chunk));
    assert.deepEqual(joined.tool_calls.map((call) => call.args),
      message.tool_calls.map((call) => call.args));
  });
}
