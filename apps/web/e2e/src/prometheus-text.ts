/** Reads Prometheus's text format as strictly as its own checker does (https://prometheus.io/docs/instrumenting/exposition_formats/). */

export type Sample = { name: string; labels: Record<string, string>; value: number };

const helpLine = /^# HELP ([a-zA-Z_:][\w:]*) (.+)$/;
const typeLine = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/;
const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

/** @throws Error that names the first line that breaks a rule */
export function parsePrometheusText(text: string): Sample[] {
  if (!text.endsWith("\n")) throw new Error("The last line has no end.");
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const [, helpedName] = helpLine.exec(line) ?? [];
    const [, typedName, type] = typeLine.exec(line) ?? [];
    if (helpedName) helped.add(helpedName);
    else if (typedName && type) {
      if (types.has(typedName)) throw new Error(`Typed twice: ${line}`);
      types.set(typedName, type);
    } else {
      const sample = readSample(line);
      const series = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(series)) throw new Error(`Twice: ${line}`);
      seen.add(series);
      const family = familyOf(sample.name, types);
      if (!family || !helped.has(family)) throw new Error(`Without HELP and TYPE: ${line}`);
      if (types.get(family) === "counter" && !/_total$/.test(sample.name)) throw new Error(`No _total: ${line}`);
      samples.push(sample);
    }
  }
  checkHistograms(samples, types);
  return samples;
}

function familyOf(name: string, types: Map<string, string>): string | undefined {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  return types.has(name) ? name : /histogram|summary/.test(types.get(base) ?? "") ? base : undefined;
}

function readSample(line: string): Sample {
  const [, name, labelText = "", number] = sampleLine.exec(line) ?? [];
  if (!name || number === undefined) throw new Error(`No sample: ${line}`);
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < labelText.length) {
    const [, key, value] = label.exec(labelText) ?? [];
    if (!key || value === undefined || key in labels) throw new Error(`Bad labels: ${line}`);
    labels[key] = value;
  }
  const value = number === "+Inf" ? Infinity : number === "-Inf" ? -Infinity : Number(number);
  if (Number.isNaN(value) && number !== "NaN") throw new Error(`No number: ${line}`);
  return { name, labels, value };
}

/** Buckets rise, and the last one, +Inf, counts all. */
function checkHistograms(samples: Sample[], types: Map<string, string>): void {
  for (const [family] of [...types].filter(([, type]) => type === "histogram")) {
    const counts = samples.filter(({ name }) => name === `${family}_count`);
    for (const { labels, value } of counts) {
      const isOfSeries = (sample: Sample) => Object.entries(labels).every(([key, text]) => sample.labels[key] === text);
      const buckets = samples.filter((sample) => sample.name === `${family}_bucket` && isOfSeries(sample));
      const limits = buckets.map((bucket) => Number((bucket.labels.le ?? "").replace("+Inf", "Infinity")));
      const rises = buckets.every((bucket, at) => {
        const before = buckets[at - 1];
        return !before || (bucket.value >= before.value && (limits[at] ?? NaN) > (limits[at - 1] ?? NaN));
      });
      if (!rises || buckets.at(-1)?.labels.le !== "+Inf" || buckets.at(-1)?.value !== value) {
        throw new Error(`The buckets of ${family} do not add up.`);
      }
    }
  }
}
