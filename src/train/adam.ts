/** Adam (Kingma and Ba, arXiv 1412.6980): one fused kernel a variable where it is registered. */
import * as tf from "@tensorflow/tfjs-core";
import { ThumbnetError } from "../errors.ts";
import { ADAM } from "./kernels/adam.ts";
import { hasKernel } from "./kernels/kernel.ts";

export interface AdamOptions {
  /** Decay of the mean of gradients. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients. */
  readonly beta2?: number;
  /** Added to the root of the second moment. */
  readonly epsilon?: number;
}

/** What a checkpoint keeps: plain values, by variable name. */
export interface AdamState {
  /** Steps taken. */
  readonly step: number;
  readonly moments: Record<string, { readonly first: Float32Array; readonly second: Float32Array }>;
}

interface Moments {
  first: tf.Tensor;
  second: tf.Tensor;
}

export class Adam {
  /** May be changed between steps. */
  learningRate: number;
  readonly #beta1: number;
  readonly #beta2: number;
  readonly #epsilon: number;
  #step = 0;
  readonly #moments = new Map<string, Moments>();
  readonly #restored = new Map<string, AdamState["moments"][string]>();

  constructor(learningRate: number, { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }: AdamOptions = {}) {
    this.learningRate = learningRate;
    this.#beta1 = beta1;
    this.#beta2 = beta2;
    this.#epsilon = epsilon;
  }

  /**
   * One step. `gradients` are by variable name, as `tf.variableGrads` gives them; they are not disposed.
   *
   * @param factorOf what the learning rate of each variable is multiplied by
   */
  applyGradients(gradients: tf.NamedTensorMap, factorOf: (variable: string) => number = () => 1): void {
    this.#step++;
    for (const [name, gradient] of Object.entries(gradients)) {
      const variable = tf.engine().registeredVariables[name];
      if (variable === undefined)
        throw new ThumbnetError(`Adam: there is a gradient of "${name}", no variable`);
      const old = this.#momentsOf(name, gradient.shape);
      const [value, first, second] = this.#stepOf(variable, old, gradient, factorOf(name));
      tf.dispose([old.first, old.second]);
      this.#moments.set(name, { first: tf.keep(first), second: tf.keep(second) });
      variable.assign(value);
      value.dispose();
    }
  }

  /** New value and moments. */
  #stepOf(
    variable: tf.Variable,
    old: Moments,
    gradient: tf.Tensor,
    factor: number,
  ): [tf.Tensor, tf.Tensor, tf.Tensor] {
    const [beta1, beta2, epsilon] = [this.#beta1, this.#beta2, this.#epsilon];
    const rate = (factor * this.learningRate) / (1 - beta1 ** this.#step);
    const correction2 = 1 - beta2 ** this.#step;
    if (hasKernel(ADAM)) {
      const inputs = { value: variable as tf.Tensor, ...old, gradient };
      const attributes = { rate, beta1, beta2, correction2, epsilon };
      return tf.engine().runKernel(ADAM, inputs, attributes) as [tf.Tensor, tf.Tensor, tf.Tensor];
    }
    return tf.tidy(() => {
      const first = tf.add(tf.mul(old.first, beta1), tf.mul(gradient, 1 - beta1));
      const second = tf.add(tf.mul(old.second, beta2), tf.mul(tf.square(gradient), 1 - beta2));
      const root = tf.add(tf.sqrt(tf.div(second, correction2)), epsilon);
      return [tf.sub(variable, tf.mul(tf.div(first, root), rate)), first, second];
    });
  }

  #momentsOf(name: string, shape: number[]): Moments {
    const existing = this.#moments.get(name);
    if (existing !== undefined) return existing;
    const restored = this.#restored.get(name);
    this.#restored.delete(name);
    if (restored === undefined) return { first: tf.zeros(shape), second: tf.zeros(shape) };
    return { first: tf.tensor(restored.first, shape), second: tf.tensor(restored.second, shape) };
  }

  /** A copy of everything that the next step depends on. */
  state(): AdamState {
    const moments: AdamState["moments"] = Object.fromEntries(this.#restored);
    for (const [name, { first, second }] of this.#moments) {
      moments[name] = {
        first: first.dataSync<"float32">().slice(),
        second: second.dataSync<"float32">().slice(),
      };
    }
    return { step: this.#step, moments };
  }

  /** Goes on from a state. */
  restore(state: AdamState): void {
    this.dispose();
    this.#step = state.step;
    for (const [name, moments] of Object.entries(state.moments)) this.#restored.set(name, moments);
  }

  /** Frees the moments; the next step starts anew. */
  dispose(): void {
    for (const { first, second } of this.#moments.values()) tf.dispose([first, second]);
    this.#moments.clear();
    this.#restored.clear();
    this.#step = 0;
  }
}
