// Named cases, of which those on a list await a feature: they run, and are no failures until they
// pass; then they have to be taken off the list.
import { Report, brief } from "../harness.mjs";

export class Cases {
  report = new Report();
  passed = [];
  awaiting = new Map();  // a feature, and the names of cases that failed for its lack
  names = new Set();

  // `awaited`: names of cases by the feature that they await. `seconds`: that a case may take.
  constructor(awaited = {}, seconds = 60) {
    this.seconds = seconds;
    this.awaited = new Map(Object.entries(awaited)
      .flatMap(([feature, names]) => names.map((name) => [name, feature])));
  }

  // `body` throws, or returns a promise that is refused, where something is not as expected.
  async check(name, body) {
    ++this.report.compared;
    if (this.names.has(name)) this.report.fail(`${name}: two cases have this name`);
    this.names.add(name);
    const feature = this.awaited.get(name);
    const problem = await this.problemOf(body);
    if (problem === null && feature)
      this.report.fail(`${name}: passes: it does not await '${feature}' any more`);
    else if (problem === null)
      this.passed.push(name);
    else if (feature)
      this.awaiting.set(feature, [...(this.awaiting.get(feature) ?? []), name]);
    else
      this.report.fail(`${name}: ${problem}`);
  }

  async problemOf(body) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`took more than ${this.seconds} s`)),
        this.seconds * 1000);
    });
    try {
      await Promise.race([body(), late]);
      return null;
    } catch (error) {
      if (process.env.INTEROP_VERBOSE) console.log(error);
      return brief(String(error?.message ?? error).split("\n").slice(0, 6).join(" "), 300);
    } finally {
      clearTimeout(timer);
    }
  }

  finish() {
    for (const [name, feature] of this.awaited)
      if (!this.names.has(name)) this.report.fail(`${name}: awaits '${feature}', but is no case`);
    let waiting = 0;
    for (const [feature, names] of this.awaiting) {
      waiting += names.length;
      console.log(`SKIPPED, nothing was compared: ${names.length} cases await ${feature}:`);
      for (const name of names) console.log(`  ${name}`);
    }
    this.report.finish(`${this.passed.length} cases pass, ${waiting} await a feature, ` +
      `${this.report.failures.length} fail`);
  }
}
