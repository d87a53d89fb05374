/** The runtime's `run`, from the instance under measurement. */
declare function run(image: usize, arena: usize, workspace: usize, first: u32, last: u32): void;

/** Runs records [first, last) many times in one call from JavaScript, whose cost then does not count. */
export function repeat(
  times: i32,
  image: usize,
  arena: usize,
  workspace: usize,
  first: u32,
  last: u32,
): void {
  for (let i = 0; i < times; i++) run(image, arena, workspace, first, last);
}
