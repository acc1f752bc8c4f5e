// A request gets the answer that it would get alone: seeds, company, threads, clients that go.
import assert from "node:assert/strict";
import { Random } from "../harness.mjs";
import { streamedText, textOf } from "./chat.mjs";
import { Server, chatTemplate, textModel } from "./server.mjs";
import { ask, atOnce, collect, model, openaiOf, user } from "./stage.mjs";

const kBody = { model, messages: ask, seed: 42, temperature: 1, max_tokens: 48, ignore_eos: true };
const kLong = user("The old king looked out of the window. ".repeat(70));

export async function samenessCases(cases, { openai, writer }) {
  const create = (body = {}, options) =>
    openai.chat.completions.create({ ...kBody, ...body }, options);
  const expected = textOf(await create());
  const isIdle = async () =>
    assert.ok(await writer.becomesIdle(), "a request is still running");

  await cases.check("seed: the same bytes again, streamed, and with 15 others", async () => {
    assert.equal(textOf(await create()), expected);
    assert.equal(streamedText(await collect(await create({ stream: true }))), expected);
    assert.notEqual(textOf(await create({ seed: 43 })), expected);
    const texts = await atOnce(16, Array(16).fill(0), async (_, i) =>
      textOf(await create(i % 4 === 0 ? {} : { seed: i, messages: user(`Number ${i}`) })));
    for (const i of [0, 4, 8, 12]) assert.equal(texts[i], expected);
  });

  await cases.check("seed: the same bytes from a new server with one thread", async () => {
    const other = await Server.start(textModel, "--chat-template", chatTemplate, "-t", "1",
      "--parallel", "2");
    const completion = await openaiOf(other).chat.completions.create(kBody);
    assert.equal(textOf(completion), expected);
    assert.equal(completion.system_fingerprint, (await create()).system_fingerprint);
    assert.equal(await other.stop(), 0);
  });

  await cases.check("no seed: another answer each time", async () => {
    const texts = await atOnce(4, Array(4).fill(0), async () =>
      textOf(await create({ seed: undefined })));
    assert.ok(new Set(texts).size > 1);
  });

  await cases.check("abort: a stream after three chunks", async () => {
    const stream = await create({ stream: true, max_tokens: 900 });
    let count = 0;
    for await (const chunk of stream) {
      assert.ok(chunk.id);
      if (++count === 3) stream.controller.abort();
    }
    assert.ok(count >= 3 && count < 800, `${count} chunks`);
    await isIdle();
  });

  await cases.check("abort: a plain request, and one in the middle of its prompt", async () => {
    for (const [body, wait_ms] of [[{ max_tokens: 900 }, 60], [{ messages: kLong }, 5]]) {
      const controller = new AbortController();
      const answer = create(body, { signal: controller.signal });
      setTimeout(() => controller.abort(), wait_ms);
      await assert.rejects(answer, /aborted/i);
      await isIdle();
    }
  });

  await cases.check("abort: one of two streams, the other goes on", async () => {
    const gone = await create({ stream: true, seed: 1, max_tokens: 900 });
    const stays = create({ stream: true }).then(collect);
    for await (const chunk of gone) {
      assert.ok(chunk.id);
      gone.controller.abort();
    }
    assert.equal(streamedText(await stays), expected);
    await isIdle();
  });

  await cases.check("abort: 200 at random, and the bytes are the same", async () => {
    const random = new Random(5);
    await atOnce(12, Array(200).fill(0), async (_, i) => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), random.below(60));
      const body = { seed: i, max_tokens: 300, stream: i % 2 === 0,
        messages: i % 5 === 0 ? kLong : user(`Story ${i % 7}`) };
      try {
        const answer = await create(body, { signal: controller.signal });
        if (body.stream) await collect(answer);
      } catch (error) {
        assert.match(error.message, /abort|terminated/i);
      }
      clearTimeout(timer);
    });
    await isIdle();
    assert.equal(textOf(await create()), expected);
    assert.equal(await writer.metric("vllm:num_requests_waiting"), 0);
  });

  await cases.check("shutting down: a stream that runs is finished", async () => {
    const server = await Server.start(textModel, "--chat-template", chatTemplate);
    const client = openaiOf(server);
    const stream = await client.chat.completions.create({ ...kBody, stream: true });
    const chunks = collect(stream);
    const ended = server.stop();
    assert.equal(streamedText(await chunks), expected);
    assert.equal(await ended, 0);
  });
}
