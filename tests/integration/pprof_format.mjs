// What npm's pprof-format reads of a profile: node pprof_format.mjs PACKAGES FILE
// One JSON object: the sample types, the default one, the time in each leaf's function by type, the labels' keys, build ids.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, file] = process.argv.slice(2);
const { Profile } = createRequire(`${packages}/`)("pprof-format");
const p = Profile.decode(readFileSync(file));
const text = i => p.stringTable.strings[Number(i)];
const functions = new Map(p.function.map(f => [Number(f.id), text(f.name)]));
const locations = new Map(p.location.map(l => [Number(l.id), l.line.map(line => functions.get(Number(line.functionId)))]));
const leaves = {}, labels = new Set();
for (const sample of p.sample) {
  const leaf = locations.get(Number(sample.locationId[0]))[0] ?? "";
  leaves[leaf] = sample.value.map((v, i) => Number(v) + (leaves[leaf]?.[i] ?? 0));
  sample.label.forEach(label => labels.add(text(label.key)));
}
console.log(JSON.stringify({
  types: p.sampleType.map(t => `${text(t.type)}/${text(t.unit)}`), default: text(p.defaultSampleType), leaves, labels: [...labels].sort(),
  mappings: p.mapping.map(m => [text(m.filename), text(m.buildId)]), period: Number(p.period), duration_ns: Number(p.durationNanos),
}));
