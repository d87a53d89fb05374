import { dirname, join } from "node:path";
import { ThumbnetError } from "../errors.ts";
import { isFile, readLines } from "./files.ts";

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
        `${path}: line ${i + 1} is ${JSON.stringify(line.slice(0, 100))}; expected: file,classes,label`,
      );
    }
    return [{ file: file.trim(), classes: Number(classes), label: Number(label) }];
  });
  if (entries.length === 0) throw new ThumbnetError(`${path}: names no files`);
  return entries;
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
