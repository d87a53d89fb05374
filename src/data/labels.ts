import { dirname, join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { isFile, listFiles, listFolders, readLines } from "./files.ts";
import { PARTS } from "./split.ts";

/** The file that names the inputs of a data set folder, in order. */
export const DATASET_FILE = "y_labels.csv";

/** One line of `y_labels.csv`. */
export interface LabelledFile {
  /** Relative to the folder. */
  readonly file: string;
  /** How many classes the data set has. */
  readonly classes: number;
  readonly label: number;
}

/**
 * Reads a folder's `y_labels.csv`: lines `file,classes,label`, as MLPerf Tiny has them.
 *
 * @throws ThumbnetError naming the first line that is none
 */
export async function readDataset(folder: string): Promise<LabelledFile[]> {
  const path = join(folder, DATASET_FILE);
  const lines = await readLines(path);
  const entries = lines.flatMap((line, i): LabelledFile[] => {
    if (line.trim() === "") return [];
    const [, file, classes, label] = /^(.+),\s*(\d{1,9})\s*,\s*(\d{1,9})\s*$/.exec(line) ?? [];
    if (file === undefined) {
      throw new ThumbnetError(
        `${path}: line ${i + 1} is ${JSON.stringify(line.slice(0, 100))}; expected: a file, the number of classes and a label, as in a.bin,12,3`,
      );
    }
    return [{ file: file.trim(), classes: Number(classes), label: Number(label) }];
  });
  if (entries.length === 0) throw new ThumbnetError(`${path}: names no files`);
  return entries;
}

/** The labelled files, all of one number of classes. @throws ThumbnetError naming the first that is wrong */
export function checkLabels(path: string, entries: readonly LabelledFile[]): number {
  const { classes } = entries[0]!;
  for (const entry of entries) {
    if (entry.classes !== classes) {
      throw new ThumbnetError(
        `${path}: ${entry.file} has ${entry.classes} classes, ${entries[0]!.file} ${classes}`,
      );
    }
    if (entry.label >= classes) {
      throw new ThumbnetError(
        `${path}: ${entry.file} has the label ${entry.label}; with ${classes} classes: 0 to ${classes - 1}`,
      );
    }
  }
  return classes;
}

/** `_silence_` and `silence` are one class. */
export const className = (folder: string): string => folder.replace(/^_|_$/g, "");

/**
 * @param folders names of the classes that must have training examples
 * @param labels of the training examples
 * @throws ThumbnetError where there are fewer than two classes, or nothing to learn one from
 */
export function checkTaught(
  folder: string,
  folders: readonly string[],
  classes: readonly string[],
  labels: Uint16Array,
): void {
  if (classes.length < 2) {
    throw new ThumbnetError(`${folder}: has ${classes.length} folders of examples; two or more are classes`);
  }
  const empty = folders.find((name) => !labels.includes(classes.indexOf(name)));
  if (empty === undefined) return;
  const parts = (PARTS as readonly string[]).includes(empty)
    ? `; parts are ${PARTS.join(", ")}, all three of them`
    : "";
  throw new ThumbnetError(`${folder}: has no training examples of the class "${empty}"${parts}`);
}

/**
 * The files of folders that are named as classes are.
 *
 * @param labels names of the classes, in the model's order
 * @param isInput whether a file is one, by its name
 * @throws ThumbnetError naming the folder that is no class, or where there are no files
 */
export async function readClassFolders(
  folder: string,
  labels: readonly string[],
  isInput: (name: string) => boolean,
): Promise<LabelledFile[]> {
  const entries: LabelledFile[] = [];
  const classes = labels.map(className);
  for (const name of (await listFolders(folder)).sort()) {
    const files = (await listFiles(join(folder, name))).filter(isInput).sort();
    const label = classes.indexOf(className(name));
    if (files.length > 0 && label < 0) {
      throw new ThumbnetError(`${join(folder, name)}: is no class of the model: ${labels.join(", ")}`);
    }
    for (const file of files) entries.push({ file: `${name}/${file}`, classes: labels.length, label });
  }
  if (entries.length > 0) return entries;
  throw new ThumbnetError(
    `${folder}: has no ${DATASET_FILE}, and no folders of inputs named as the classes are`,
  );
}

/**
 * The names of the classes, one a line: of the file given, else of `labels.txt` beside the model, else none.
 *
 * @param counts the numbers of elements that the model's outputs have
 * @param warn told when `labels.txt` does not fit any of them and is left aside
 * @throws ThumbnetError when the file given does not fit
 */
export async function readLabels(
  given: string | undefined,
  model: string,
  counts: readonly number[],
  warn: (message: string) => void,
): Promise<string[] | null> {
  const path = given ?? join(dirname(model), "labels.txt");
  if (given === undefined && !(await isFile(path))) return null;
  const labels = (await readLines(path)).map((line) => line.trim());
  if (counts.includes(labels.length)) return labels;
  const problem = `${path}: has ${labels.length} labels, the model's output has ${counts.join(", ")} elements`;
  if (given !== undefined) throw new ThumbnetError(problem);
  warn(`${problem}; left aside`);
  return null;
}
