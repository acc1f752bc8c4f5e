// The page that bitnetc serves, in a real Chromium: against bitnetc with the bundled model, and
// against a stage whose answers break, fail and misbehave.
import assert from "node:assert/strict";
import { Report, work, writeWork } from "../harness.mjs";
import { Browser } from "./browser.mjs";
import { Stage, startBitnetc } from "./stage.mjs";
import { realCases } from "./real.mjs";
import { stagedCases } from "./staged.mjs";
import { lookCases } from "./look.mjs";
import { originCases } from "./origins.mjs";

const template = writeWork("web-template.jinja",
  "{% for message in messages %}{{ message.content }}\n{% endfor %}");
const report = new Report();
const servers = {
  chat: await startBitnetc("--chat-template", template),
  plain: await startBitnetc(),
  // A thousand tokens take 20 s, and a prompt a part of one.
  hurried: await startBitnetc("--chat-template", template, "--timeout", "3",
    { BITNETC_ISA: "scalar" }),
  closed: await startBitnetc("--chat-template", template, "--api-key", "secret"),
};
const browser = await Browser.start();
console.log(`Chromium ${browser.chromium.version()}`);

for (const [name, body] of Object.entries(
  { ...realCases, ...stagedCases, ...lookCases, ...originCases })) {
  const stage = await Stage.start(servers.chat.url);
  try {
    await body({ browser, stage, work, ...servers });
    ++report.compared;
  } catch (error) {
    report.fail(`${name}: ${error.stack}`);
  }
  for (const context of browser.chromium.contexts()) await context.close();
  await stage.close();
}
await browser.close();
for (const server of Object.values(servers)) await server.close();

// Of all that was done above.
for (const { url, origin } of browser.asked)
  if (new URL(url).origin !== origin) report.fail(`a request left ${origin}: ${url}`);
for (const complaint of browser.complaints) report.fail(`the browser complains: ${complaint}`);
assert.ok(browser.asked.length > 100, "requests were not recorded");
report.finish(`${report.compared} behaviours of the page, ${browser.asked.length} requests, ` +
  "all of them to the server that the page is from");
