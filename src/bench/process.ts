/** Processes of their own, for what would disturb another measurement or be disturbed by it. */
import { execFile } from "node:child_process";
import { ThumbnetError } from "../errors.ts";

/**
 * Runs a program of Node to its end.
 *
 * @param input for its standard input
 * @throws ThumbnetError with what it said when it fails
 */
export function runNode(
  args: readonly string[],
  input: Uint8Array = new Uint8Array(0),
): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error) reject(new ThumbnetError(stderr.trim().replace(/^thumbnet: /, "") || error.message));
      else resolve({ stdout, stderr });
    });
    child.stdin!.on("error", () => {}); // Why it broke off is on stderr.
    child.stdin!.end(input);
  });
}
