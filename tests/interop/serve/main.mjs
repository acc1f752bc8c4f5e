// Libraries that programs talk to bitnetc serve with, against the bundled model and a text encoder.
import assert from "node:assert/strict";
import { anthropicCases } from "./anthropic.mjs";
import { awaited } from "./awaited.mjs";
import { Cases } from "./cases.mjs";
import { chatCases } from "./chat.mjs";
import { aiSdkCases, langChainCases } from "./frameworks.mjs";
import { otherCases } from "./others.mjs";
import { responseCases } from "./responses.mjs";
import { samenessCases } from "./sameness.mjs";
import { openStage } from "./stage.mjs";
import { structuredCases } from "./structured.mjs";
import { toolCases } from "./tools.mjs";

const cases = new Cases(awaited.serve);
const stage = await openStage();
// Those that watch whether a request has ended are alone with the server.
await samenessCases(cases, stage);
await anthropicCases(cases, stage);
await aiSdkCases(cases, stage);
await Promise.all([chatCases, otherCases, responseCases, toolCases, structuredCases, langChainCases]
  .map((group) => group(cases, stage)));

await cases.check("the servers stop, and nothing is left", async () => {
  for (const server of [stage.writer, stage.encoder]) {
    assert.ok(await server.becomesIdle());
    assert.equal(await server.stop(), 0);
  }
});
cases.finish();
