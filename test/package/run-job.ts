// Runs in Node, in a page and in a worker, on the installed package: imports nothing at run time.
import type * as Thumbnet from "../../src/index.ts";
import type { Job, JobCase, Verdict } from "./job.ts";

export interface Host {
  /** Where this runs, in words. */
  readonly name: string;
  readonly thumbnet: typeof Thumbnet;
  readonly engine: Thumbnet.Engine;
  /** The job's folder, with a slash at its end. */
  readonly folder: URL;
  open(url: URL): Promise<Response>;
}

const ARRAYS = { int8: Int8Array, uint8: Uint8Array, float32: Float32Array };

export async function runJob(host: Host): Promise<Verdict> {
  const read = async (file: string) => (await host.open(new URL(file, host.folder))).arrayBuffer();
  const job: Job = JSON.parse(new TextDecoder().decode(await read("job.json")));
  const tally = { failures: await refusals(host, job.cases[0]!), runs: 0, outputBytes: 0, operators: 0 };

  for (const { name, runs, model: modelFile, ...files } of job.cases) {
    const fail = (what: string) => tally.failures.push(`${name}: ${what}`);
    const differs = (what: string, made: Uint8Array, wanted: Uint8Array) => {
      const at = wanted.findIndex((byte, i) => byte !== made[i]);
      if (made.length !== wanted.length) fail(`${what} has ${made.length} bytes, expected ${wanted.length}`);
      else if (at >= 0) fail(`${what}, byte ${at}: ${made[at]}, expected ${wanted[at]}`);
    };
    try {
      const inputs = await Promise.all(
        files.inputs.map(async ({ file, type }) => new ARRAYS[type](await read(file))),
      );
      const outputs = await Promise.all(files.outputs.map(async (file) => new Uint8Array(await read(file))));
      const inputsOf = (run: number) =>
        inputs.map((data) => data.subarray((run * data.length) / runs, ((run + 1) * data.length) / runs));

      const url = new URL(modelFile, host.folder);
      const bytes = await read(modelFile);
      const sources = [url, await host.open(url), bytes, new Uint8Array(bytes)];
      const models = await Promise.all(
        sources.map((source) => host.thumbnet.loadModel(source, { engine: host.engine })),
      );
      const model = models[0]!;
      if (model.engine !== host.engine) fail(`runs on ${model.engine}, expected ${host.engine}`);
      const first = models.map((loaded) => loaded.runAll(inputsOf(0)).map(bytesOf));
      outputs.forEach((wanted, i) => {
        for (const made of first)
          differs(`output ${i} of the first run`, made[i]!, wanted.subarray(0, wanted.length / runs));
      });

      model.runAll(inputs).forEach((made, i) => {
        differs(`output ${i}`, bytesOf(made), outputs[i]!);
        tally.outputBytes += made.length;
      });
      tally.runs += runs;

      files.operators.forEach((wanted, run) => {
        const trace = model.trace(inputsOf(run));
        wanted.forEach(({ kind, crc32 }, i) => {
          const made = trace[i];
          if (made?.name !== kind || made.crc32 !== crc32)
            fail(`run ${run}, operator ${i}: ${made?.name} ${made?.crc32}, expected ${kind} ${crc32}`);
        });
        tally.operators += trace.length;
      });
      for (const loaded of models) loaded.dispose();
    } catch (error) {
      fail(String(error));
    }
  }
  return { host: host.name, ...tally, failures: tally.failures.slice(0, 20) };
}

/** What a model that cannot be loaded must give here as anywhere: an error of thumbnet's that names it. */
async function refusals({ thumbnet, engine, folder, open }: Host, { model }: JobCase): Promise<string[]> {
  const bytes = new Uint8Array(await (await open(new URL(model, folder))).arrayBuffer());
  const sources = {
    "half.tflite": bytes.subarray(0, bytes.length >> 1),
    "absent.tflite": new URL("absent.tflite", folder),
  };
  const failures: string[] = [];
  for (const [name, source] of Object.entries(sources)) {
    const options = source instanceof URL ? { engine } : { engine, name };
    const error = await thumbnet.loadModel(source, options).then(
      () => "no error",
      (reason: unknown) => reason,
    );
    if (!(error instanceof thumbnet.ThumbnetError && error.message.includes(name)))
      failures.push(`${name}: ${error}`);
  }
  return failures;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
