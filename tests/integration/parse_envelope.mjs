// What @sentry/core's parser makes of each envelope: node parse_envelope.mjs PACKAGES FILE…
// A line of JSON each, [header, [[item's header, payload], …]]; a payload of a given length is bytes to it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, ...files] = process.argv.slice(2);
const { parseEnvelope } = createRequire(`${packages}/`)("@sentry/core");
for (const file of files) {
  const [header, items] = parseEnvelope(new Uint8Array(readFileSync(file)));
  console.log(JSON.stringify([header, items.map(([item, payload]) => [item, JSON.parse(new TextDecoder().decode(payload))])]));
}
