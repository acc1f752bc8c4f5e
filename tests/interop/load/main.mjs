// bitnetc serve under load (README.md): answers beside others, a thousand clients that wait, a soak
// with clients that go, are slow or send nonsense, kill -9, and a long prompt beside a stream.
// LOAD_REQUESTS: how many requests the soak sends (400).
import { Server, textModel } from "../serve/server.mjs";
import { besideCases } from "./beside.mjs";
import { ToldCases } from "./cases.mjs";
import { exactCases } from "./exact.mjs";
import { learnAnswers, makeRequests } from "./requests.mjs";
import { restartCases } from "./restart.mjs";
import { soakCases } from "./soak.mjs";
import { waitingCases } from "./waiting.mjs";

const cases = new ToldCases({}, /*seconds=*/600);
const requests = makeRequests(64, /*seed=*/7);
const server = await Server.start(textModel);
await cases.check("every request alone", async () => learnAnswers(server, requests));
await server.stop();

await exactCases(cases, requests);
await waitingCases(cases);
await soakCases(cases, requests, Number(process.env.LOAD_REQUESTS ?? 400));
await restartCases(cases, requests);
await besideCases(cases);
cases.finish();
