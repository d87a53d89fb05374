import type { FieldType, KERNELS, KernelName } from "./layout.ts";

/** A tensor of the graph as a kernel sees it; the planner turns it into an address. */
export interface OperandRef {
  readonly tensor: number;
  /** Added to the tensor's address, in bytes. */
  readonly byteOffset?: number;
}

export type ConstantData = Int8Array | Uint8Array | Int32Array;

type FieldValue<T extends FieldType> = T extends "operand"
  ? OperandRef
  : T extends "constant"
    ? ConstantData
    : number;

/** A kernel and a value for each field of its record: what an operator is lowered to. */
export type KernelCallOf<K extends KernelName> = {
  readonly kernel: K;
  readonly values: {
    readonly [F in keyof (typeof KERNELS)[K]["fields"]]: (typeof KERNELS)[K]["fields"][F] extends FieldType
      ? FieldValue<(typeof KERNELS)[K]["fields"][F]>
      : never;
  };
};

export type KernelCall = { [K in KernelName]: KernelCallOf<K> }[KernelName];
