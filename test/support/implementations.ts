import { type Engine, type InputData, loadModel } from "../../src/index.ts";

/** What each operator made, in the order of the model file. */
export interface Step {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** One way to run an image. All of them must give the same bytes after every operator. */
export interface Implementation {
  readonly name: string;
  steps(image: Uint8Array, inputs: readonly InputData[]): Promise<Step[]>;
}

function webAssembly(engine: Engine): Implementation {
  return {
    name: `WebAssembly, ${engine}`,
    async steps(image, inputs) {
      const model = await loadModel(image, { engine });
      return model.trace(inputs);
    },
  };
}

export const IMPLEMENTATIONS: readonly Implementation[] = [webAssembly("scalar"), webAssembly("simd")];
