// Cases that say a line each: how it ended, how long it took, what was measured.
import { Cases } from "../serve/cases.mjs";

export class ToldCases extends Cases {
  // `body` may return a text: what was measured.
  async check(name, body) {
    const begin = performance.now();
    let measured;
    await super.check(name, async () => { measured = await body(); });
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    const word = this.passed.at(-1) === name ? "passes" : "FAILS ";
    console.log(`${word} ${name} (${seconds} s)${measured ? `: ${measured}` : ""}`);
  }
}

// The value that a share of `values` (0 to 1) does not exceed.
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
