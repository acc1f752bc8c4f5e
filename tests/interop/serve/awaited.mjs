// Cases that await a feature, by part and feature: { recorded: { tools: [NAME, ...] } }. Each runs
// all the same; one that passes has to be taken off.
export const awaited = { recorded: {}, serve: {} };
