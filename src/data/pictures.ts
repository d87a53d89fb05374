import { ThumbnetError } from "../errors.ts";
import { formatShape } from "../graph/shape.ts";
import { type OutputData, storedType, type TensorInfo } from "../runtime/tensors.ts";
import { readWhole } from "./files.ts";

/** The part of sharp's interface that is used: the package is optional, its types may not be there. */
interface Sharp {
  autoOrient(): Sharp;
  flatten(options: { background: string }): Sharp;
  toColourspace(space: string): Sharp;
  resize(options: {
    width: number;
    height: number;
    fit: "fill";
    kernel: "linear";
    fastShrinkOnLoad: false;
  }): Sharp;
  raw(options: { depth: "uchar" }): Sharp;
  toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { channels: number } }>;
}

type SharpModule = (input: Uint8Array, options: { failOn: "warning" }) => Sharp;

const PICTURE = /\.(png|jpe?g)$/i;

/** Whether a file is read as a picture, by the end of its name. */
export function isPicture(path: string): boolean {
  return PICTURE.test(path);
}

/** Height, width and channels that an input takes. @throws ThumbnetError when it is no picture */
export function pictureShape(
  path: string,
  info: TensorInfo,
): { height: number; width: number; channels: number } {
  const [batch, height, width, channels] = info.shape;
  if (info.shape.length !== 4 || batch !== 1 || (channels !== 1 && channels !== 3)) {
    const supported = "a picture goes into [1,height,width,1] or [1,height,width,3]";
    throw new ThumbnetError(
      `${path}: input "${info.name}" has the shape ${formatShape(info.shape)}; ${supported}`,
    );
  }
  return { height: height!, width: width!, channels };
}

const isPng = (bytes: Uint8Array) => [137, 80, 78, 71, 13, 10, 26, 10].every((byte, i) => bytes[i] === byte);
const isJpeg = (bytes: Uint8Array) => [255, 216, 255].every((byte, i) => bytes[i] === byte);

let sharp: SharpModule | undefined;

async function loadSharp(path: string): Promise<SharpModule> {
  // A variable, so that the compiler does not ask for the optional package.
  const name = "sharp";
  try {
    sharp ??= ((await import(name)) as { default: SharpModule }).default;
    return sharp;
  } catch {
    throw new ThumbnetError(`${path}: reading pictures needs the package sharp: npm install sharp`);
  }
}

/** Rec. 601 luma in 16-bit fixed point; the weights sum to 65536, so gray stays what it is. */
function luma(red: number, green: number, blue: number): number {
  return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
}

/**
 * A PNG or JPEG file as a model's input. Turned upright as its EXIF orientation says; transparent parts on
 * black; 8-bit sRGB; stretched to the input's height and width, where they differ, with a triangle filter
 * that widens when it shrinks (bilinear with antialiasing); for one channel, Rec. 601 luma. A pixel p in
 * 0..255 becomes p - 128 for an int8 input and stays p for a uint8 one.
 *
 * @throws ThumbnetError when the file cannot be read as a picture
 */
export async function readPicture(path: string, info: TensorInfo): Promise<OutputData> {
  const { height, width, channels } = pictureShape(path, info);
  const bytes = await readWhole(path);
  if (!isPng(bytes) && !isJpeg(bytes)) throw new ThumbnetError(`${path}: is neither a PNG nor a JPEG file`);
  const open = await loadSharp(path);
  const pipeline = () =>
    open(bytes, { failOn: "warning" })
      .autoOrient()
      .flatten({ background: "#000000" })
      .resize({ width, height, fit: "fill", kernel: "linear", fastShrinkOnLoad: false })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
  const { data } = await pipeline().catch((error: unknown) => {
    const reason =
      error instanceof Error ? error.message.replace(/\s*\n\s*/g, " ").replace(/:$/, "") : String(error);
    throw new ThumbnetError(`${path}: cannot be read as a picture: ${reason}`);
  });
  const pixels =
    channels === 3
      ? data
      : Uint8Array.from({ length: width * height }, (_, i) =>
          luma(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!),
        );
  return storedType(info) === "uint8" ? Uint8Array.from(pixels) : Int8Array.from(pixels, (p) => p - 128);
}
